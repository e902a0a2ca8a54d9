import { FormatError } from './format-error.ts';

/**
 * Java's modified UTF-8, as `java.io.DataOutput.writeUTF` makes it: U+0000 is two bytes, and what lies beyond U+FFFF is a
 * pair of surrogates of three bytes each. Throws FormatError.
 */
export function readModifiedUtf8(bytes: Buffer): string {
  if (isPlainAscii(bytes)) return bytes.toString('latin1');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const length = first < 0x80 ? 1 : first >> 5 === 0b110 ? 2 : first >> 4 === 0b1110 ? 3 : 0;
    if (length === 0 || first === 0 || at + length > bytes.length) throw malformed(at);
    let unit = length === 1 ? first : first & (length === 2 ? 0x1f : 0x0f);
    for (let next = 1; next < length; next += 1) {
      const byte = bytes[at + next] ?? 0;
      if (byte >> 6 !== 0b10) throw malformed(at);
      unit = (unit << 6) | (byte & 0x3f);
    }
    text += String.fromCharCode(unit);
    at += length;
  }
  return text;
}

function isPlainAscii(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte === 0 || byte >= 0x80) return false;
  return true;
}

function malformed(at: number): FormatError {
  return new FormatError(`expected modified UTF-8, found a malformed character at byte ${at}`);
}
