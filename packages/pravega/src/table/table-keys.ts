/** Of what length the keys of a table are, where no row of it tells. */
import { bucketOf, isBackPointer, UUID_KEY_BYTES } from '../attributes/attribute-key.ts';
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { entryAt, findEntryStart } from './entry-scan.ts';

/** Keys of one length are ids of attributes, which are not longer. */
const MAX_FIXED_KEY_BYTES = 256;
/** Entries of the index that are held against the table. */
const MAX_COMPARED = 8;
/** Key-value tables of streams have keys of one length always. */
const KEY_VALUE_TABLE = /\/[^/]*_kvtable\//;

export interface TableOfUnknownKeys {
  readonly name: string;
  readonly bytes: SegmentBytes;
  readonly index: SegmentBytes | undefined;
  readonly startOffset: number;
}

/**
 * Length of every key, or 0 for a hash table. The index of one has hashes of the keys that it leads to, that of the other the
 * keys themselves; where there is no such index, the name tells.
 */
export async function deduceKeyLength(table: TableOfUnknownKeys): Promise<number> {
  const { name, bytes, index } = table;
  const length = await firstKeyLength(table);
  if (length === undefined || length > MAX_FIXED_KEY_BYTES) return 0;
  if (index !== undefined) {
    const isHash = await leadsTo(bytes, index, UUID_KEY_BYTES, bucketOf);
    if (isHash === true) return 0;
    const isFixed = await leadsTo(bytes, index, length, (key) => key.toString('hex'));
    if (isFixed === true) return length;
    if (isHash === false) return 0;
  }
  return KEY_VALUE_TABLE.test(name) ? length : 0;
}

/** Of the first whole entry; undefined where there is none. */
export async function firstKeyLength({
  bytes,
  startOffset,
}: Pick<TableOfUnknownKeys, 'bytes' | 'startOffset'>): Promise<number | undefined> {
  const { start, end } = bytes;
  const from = Math.max(startOffset, start);
  const first =
    (await entryAt(bytes, from, end)) === undefined ? await findEntryStart(bytes, from, end) : from;
  return first === undefined ? undefined : (await entryAt(bytes, first, end))?.key.length;
}

/** Whether what the index has is made from the keys that it leads to; undefined where it has no valid tree, or is empty. */
async function leadsTo(
  bytes: SegmentBytes,
  index: SegmentBytes,
  keyLength: number,
  made: (key: Buffer) => string,
): Promise<boolean | undefined> {
  const some: { readonly key: string; readonly offset: number }[] = [];
  await readAttributeTree(index, keyLength, ({ key, value }) => {
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER) || some.length >= MAX_COMPARED) return;
    if (keyLength === UUID_KEY_BYTES && isBackPointer(key)) return;
    some.push({ key: key.toString('hex'), offset: Number(value) });
  });
  if (some.length === 0) return undefined;
  for (const { key, offset } of some) {
    const entry = await entryAt(bytes, offset, bytes.end);
    if (entry !== undefined && made(entry.key) === key) return true;
  }
  return false;
}
