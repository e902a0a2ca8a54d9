/**
 * CRC-64-AVRO, the Rabin fingerprint of the Avro specification ("Schema Fingerprints").
 * Kept as two 32-bit halves: numbers, because a 64-bit shift of BigInts allocates for each byte.
 */
const EMPTY_HIGH = 0xc15d213a;
const EMPTY_LOW = 0xa4d7a795;

const tableHigh = new Uint32Array(256);
const tableLow = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry === 1) {
      high ^= EMPTY_HIGH;
      low ^= EMPTY_LOW;
    }
  }
  tableHigh[byte] = high;
  tableLow[byte] = low;
}

/** The 8 bytes as single-object encoding carries them: little-endian. */
export function crc64Avro(bytes: Uint8Array): Buffer {
  let high = EMPTY_HIGH;
  let low = EMPTY_LOW;
  for (const byte of bytes) {
    const index = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (tableLow[index] ?? 0);
    high = (high >>> 8) ^ (tableHigh[index] ?? 0);
  }
  const wire = Buffer.alloc(8);
  wire.writeUInt32LE(low >>> 0, 0);
  wire.writeUInt32LE(high >>> 0, 4);
  return wire;
}
