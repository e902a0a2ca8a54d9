import { createBLAKE2b } from 'hash-wasm';

/** Bytes of a content hash. */
export const HASH_BYTES = 32;

/** Blocks are hashed one after another, so one hasher serves all vdisks of the thread. */
const hasher = await createBLAKE2b(HASH_BYTES * 8);

/** BLAKE2b-256 without a key, 0-Disk's name for a block's content. Not a cut BLAKE2b-512, which is another function. */
export function contentHash(content: Uint8Array): Buffer {
  const hash = hasher.init().update(content).digest('binary');
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length);
}
