// Large recordings of the SDK's example format (sdk/examples/README.md), of a made-up train that speeds up and slows down.

const headerBytes = 32;
const recordBytes = 38;
const start = 1_700_000_000_000_000n; // µs since 1970
const step = 100_000n; // µs between records

/** A track log of so many samples. */
export function trackLog(samples) {
  const log = Buffer.alloc(headerBytes + samples * recordBytes);
  log.write('TRACKLOG', 0, 'latin1');
  log[8] = 1;
  log.writeUInt16LE(headerBytes, 10);
  log.writeBigUInt64BE(start, 12);
  log.write('UNIT-1', 20, 'latin1');
  log.writeUInt16LE(crc16(log, 0, 30), 30);
  let position = 0;
  for (let i = 0; i < samples; i++) {
    const at = headerBytes + i * recordBytes;
    const speed = 8000 + 6000 * Math.sin(i / 5000) + 1500 * Math.sin(i / 37); // 0.01 km/h
    position += speed / 360; // 0.01 m in 0.1 s
    log.writeUInt16BE(0x5aa5, at);
    log[at + 2] = 1;
    log[at + 3] = recordBytes;
    log.writeBigUInt64LE(start + BigInt(i) * step, at + 4);
    log.writeUInt16LE(Math.round(speed), at + 12);
    log.writeUInt16LE(i & 0xffff, at + 14);
    log.writeInt32LE(Math.round(position) | 0, at + 16);
    log.writeUInt32LE(Math.round(position / 100), at + 20);
    log.writeInt16LE(Math.round(120 * Math.cos(i / 5000)), at + 24);
    log[at + 26] = Math.floor(i / 100_000) % 5;
    log[at + 27] = Math.floor(i / 20_000) % 4;
    log.write('S' + String(i % 10_000_000).padStart(7, '0'), at + 28, 'latin1');
    log.writeUInt16LE(crc16(log, at, at + recordBytes - 2), at + recordBytes - 2);
  }
  return log;
}

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** CRC-16/CCITT-FALSE of a part. */
function crc16(bytes, from, to) {
  let crc = 0xffff;
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ bytes[i]];
  return crc;
}
