/** Pravega's primitives and frames, written: the counterpart of the readers, for trees that tests make themselves. */

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function i16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function i64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

/** ASCII alone, and no U+0000: there modified UTF-8 is UTF-8. */
export function utf(text: string | null): Buffer {
  const bytes = Buffer.from(text ?? '', 'utf8');
  return Buffer.concat([i16(bytes.length), bytes]);
}

export function compactLong(value: number): Buffer {
  if (value < 2 ** 6) return u8(value);
  if (value < 2 ** 14) return Buffer.from([0x40 | (value >> 8), value & 0xff]);
  const bytes = Buffer.alloc(value < 2 ** 30 ? 4 : 8);
  if (bytes.length === 4) bytes.writeUInt32BE(value + 0x8000_0000);
  else bytes.writeBigUInt64BE(BigInt(value) | (3n << 62n));
  return bytes;
}

export function compactInt(value: number): Buffer {
  if (value < 2 ** 7) return u8(value);
  if (value < 2 ** 14) return Buffer.from([0x80 | (value >> 8), value & 0xff]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value + 0xc000_0000);
  return bytes;
}

export function frame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0, 0, 1, 0]), i32(body.length), body]);
}

export function typedFrame(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0, type, 0, 1, 0]), i32(body.length), body]);
}

export function collection(items: readonly Buffer[]): Buffer {
  return Buffer.concat([compactInt(items.length), ...items]);
}
