import { xxh64 } from '@node-rs/xxhash';

/** Bytes of a stored checksum: xxh64 (seed 0), little-endian. Eight zero bytes stand for "no block". */
export const CHECKSUM_BYTES = 8;

/** One number at a time passes through here, so that no BigInt has to be taken apart. */
const scratch = new DataView(new ArrayBuffer(CHECKSUM_BYTES));

/** Writes the checksum of `data` to `into`. Never eight zero bytes: a hash of 0 is stored as 1. */
export function writeChecksum(into: Buffer, at: number, data: Uint8Array): void {
  hash(data);
  into.writeUInt32LE(scratch.getUint32(0, true), at);
  into.writeUInt32LE(scratch.getUint32(4, true), at + 4);
}

/** Tells whether the checksum at `at` of `sums` is that of `data`. */
export function matchesChecksum(sums: Buffer, at: number, data: Uint8Array): boolean {
  hash(data);
  return (
    sums.readUInt32LE(at) === scratch.getUint32(0, true) &&
    sums.readUInt32LE(at + 4) === scratch.getUint32(4, true)
  );
}

/** Tells whether there is a checksum at `at` of `sums`; where there is none, no block is stored. */
export function hasChecksum(sums: Buffer, at: number): boolean {
  return sums.readUInt32LE(at) !== 0 || sums.readUInt32LE(at + 4) !== 0;
}

function hash(data: Uint8Array): void {
  const sum = xxh64(data);
  scratch.setBigUint64(0, sum === 0n ? 1n : sum, true);
}
