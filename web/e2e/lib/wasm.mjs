// Breaking WebAssembly modules.

/** The module with a function that no engine takes: its manifest is whole, so it is read, and refused when it is compiled. */
export function broken(module) {
  const bytes = Buffer.from(module);
  const code = section(bytes, 10);
  let at = code.start;
  const skip = () => {
    const [value, next] = leb(bytes, at);
    at = next;
    return value;
  };
  skip(); // number of functions
  const size = skip(); // of the first
  bytes[at + size - 1] = 0xff; // its end
  return bytes;
}

/** Finds a section by its id. */
function section(bytes, wanted) {
  for (let at = 8; at < bytes.length;) {
    const id = bytes[at];
    const [size, start] = leb(bytes, at + 1);
    if (id === wanted) return { start, size };
    at = start + size;
  }
  throw new Error(`the module has no section ${wanted}`);
}

/** Reads a LEB128 number and says where it ends. */
function leb(bytes, at) {
  for (let value = 0, shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}
