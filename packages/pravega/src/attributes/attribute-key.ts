import { createHash } from 'node:crypto';
import { uuidText } from '../records/core-attributes.ts';

/** Ids of this length are UUIDs. */
export const UUID_KEY_BYTES = 16;
/** Half of an id, as it is stored, whose entries chain keys of one hash: `KeyHasher`, `BackpointerAttributes`. */
const BACK_POINTER_HALF = 0xffff_ffff_ffff_ffffn;
const TOP_BIT = 0x8000_0000_0000_0000n;

/**
 * The id of an extended attribute as text. UUIDs are stored with the top bit of each half flipped, so that unsigned bytes
 * sort as Java's signed halves; ids of another length are stored as they are, and shown in hexadecimal.
 */
export function attributeIdText(key: Buffer): string {
  if (key.length !== UUID_KEY_BYTES) return key.toString('hex');
  return uuidText(key.readBigUInt64BE(0) ^ TOP_BIT, key.readBigUInt64BE(8) ^ TOP_BIT);
}

/** Core attributes are not kept in an index. */
export function isCoreKey(key: Buffer): boolean {
  return key.length === UUID_KEY_BYTES && key.readBigUInt64BE(0) === 0n;
}

/** Whether an entry of a table's index leads from one entry to the one before it in its bucket. */
export function isBackPointer(key: Buffer): boolean {
  return key.readBigUInt64BE(0) === BACK_POINTER_HALF;
}

/**
 * Under which id a hash table's index has a key: the first 16 bytes of its SHA-256, out of the way of core attributes and
 * back pointers (`io.pravega.segmentstore.server.tables.KeyHasher`), as it is stored, in hexadecimal.
 */
export function bucketOf(key: Buffer): string {
  const digest = createHash('sha256').update(key).digest();
  let first = digest.readBigUInt64BE(0);
  if (first === TOP_BIT) first += 1n;
  else if (first === TOP_BIT - 1n) first -= 1n;
  const stored = Buffer.allocUnsafe(UUID_KEY_BYTES);
  stored.writeBigUInt64BE(first ^ TOP_BIT, 0);
  stored.writeBigUInt64BE(digest.readBigUInt64BE(8) ^ TOP_BIT, 8);
  return stored.toString('hex');
}
