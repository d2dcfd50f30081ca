// PNG files of screenshots, written anew as small as pages of documentation want them.
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const shades = 256;

/** The same picture with 256 colours: a page of the console has few, and many shades between them at the edges of letters. */
export function squeeze(png) {
  const { width, height, channels, pixels } = decode(png);
  const palette = colours(pixels, channels);
  const nearest = new Map();
  const lines = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = pixels.readUIntBE((y * width + x) * channels, 3);
      let index = nearest.get(colour);
      if (index === undefined) nearest.set(colour, (index = closest(palette, colour)));
      lines[y * (width + 1) + 1 + x] = index;
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3], 8); // 8 bits, an index into the palette
  const table = Buffer.alloc(palette.length * 3);
  palette.forEach((colour, i) => table.writeUIntBE(colour, i * 3, 3));
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', head),
    chunk('PLTE', table),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The colours that are used most, of those that differ enough to be told apart. */
function colours(pixels, channels) {
  const counts = new Map();
  for (let at = 0; at < pixels.length; at += channels) {
    const colour = pixels.readUIntBE(at, 3);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const kept = [];
  for (const [colour] of [...counts].sort((a, b) => b[1] - a[1])) {
    const apart = kept.length < 24 ? 0 : 10; // surfaces and tints exactly, shades as needed
    if (kept.every((k) => distance(k, colour) >= apart * apart)) kept.push(colour);
    if (kept.length === shades) break;
  }
  return kept;
}

function closest(palette, colour) {
  let best = 0;
  for (let i = 1; i < palette.length; i++) {
    if (distance(palette[i], colour) < distance(palette[best], colour)) best = i;
  }
  return best;
}

function distance(a, b) {
  const [r, g, l] = [(a >> 16) - (b >> 16), ((a >> 8) & 255) - ((b >> 8) & 255), (a & 255) - (b & 255)];
  return r * r + g * g + l * l;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body) >>> 0, body.length + 4);
  return out;
}

/** Pixels of an 8 bit colour PNG that is not interlaced, as browsers write them. */
function decode(png) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = { 2: 3, 6: 4 }[png[25]];
  if (png[24] !== 8 || !channels || png[28] !== 0) throw new Error('a kind of PNG that is not expected');
  const parts = [];
  for (let at = 8; at < png.length;) {
    const size = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + size));
    at += size + 12;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const pixels = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y++) {
    const type = raw[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const left = i < channels ? 0 : pixels[y * stride + i - channels];
      const up = y === 0 ? 0 : pixels[(y - 1) * stride + i];
      const corner = y === 0 || i < channels ? 0 : pixels[(y - 1) * stride + i - channels];
      pixels[y * stride + i] = raw[y * (stride + 1) + 1 + i] + predicted(type, left, up, corner);
    }
  }
  return { width, height, channels, pixels };
}

function predicted(type, left, up, corner) {
  if (type === 0) return 0;
  if (type === 1) return left;
  if (type === 2) return up;
  if (type === 3) return (left + up) >> 1;
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
