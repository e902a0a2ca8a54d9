import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';

/**
 * Pages of an attribute index (`io.pravega.common.util.btree.BTreePage`, `BTreeIndex`):
 * `version u8 | flags u8 | id i32 | count i32 | entries | id i32`. Throws FormatError.
 */
export type TreePage =
  | { readonly kind: 'leaf'; readonly entries: readonly LeafEntry[] }
  | { readonly kind: 'index'; readonly children: readonly PagePointer[] };

export interface LeafEntry {
  readonly key: Buffer;
  readonly value: bigint;
}

export interface PagePointer {
  readonly offset: number;
  readonly length: number;
}

export const MAX_PAGE_BYTES = 32_767;
export const FOOTER_BYTES = 12;
const FLAG_INDEX = 1;
const PAGE_FRAME_BYTES = 14;
const LEAF_VALUE_BYTES = 8;
const INDEX_VALUE_BYTES = 18;

/** rootOffset i64, rootLength i32; undefined if it cannot be the footer of a tree that ends at `at`. */
export function parseFooter(bytes: Buffer, at: number): PagePointer | undefined {
  if (at < 0 || bytes.length - at < FOOTER_BYTES) return undefined;
  const offset = bytes.readBigInt64BE(at);
  const length = bytes.readInt32BE(at + 8);
  if (offset < 0n || offset > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  if (length < PAGE_FRAME_BYTES || length > MAX_PAGE_BYTES) return undefined;
  return { offset: Number(offset), length };
}

export function parsePage(bytes: Buffer, keyLength: number): TreePage {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== 0) throw new FormatError(`expected page version 0, found ${version}`);
  const isIndex = (reader.u8() & FLAG_INDEX) !== 0;
  const id = reader.i32();
  const count = reader.i32();
  const entryBytes = keyLength + (isIndex ? INDEX_VALUE_BYTES : LEAF_VALUE_BYTES);
  if (count < 0 || PAGE_FRAME_BYTES + count * entryBytes !== bytes.length)
    throw new FormatError(`expected a page of ${bytes.length} bytes, found a count of ${count} entries`);
  const page = isIndex ? readIndex(reader, count, keyLength) : readLeaf(reader, count, keyLength);
  const idBehind = reader.i32();
  if (idBehind !== id) throw new FormatError(`expected page id ${id} at the end, found ${idBehind}`);
  return page;
}

function readLeaf(reader: ByteReader, count: number, keyLength: number): TreePage {
  const entries: LeafEntry[] = [];
  for (let left = count; left > 0; left -= 1) {
    const key = reader.slice(keyLength);
    checkOrder(entries.at(-1)?.key, key);
    entries.push({ key, value: reader.i64() });
  }
  return { kind: 'leaf', entries };
}

function readIndex(reader: ByteReader, count: number, keyLength: number): TreePage {
  const children: PagePointer[] = [];
  let before: Buffer | undefined;
  for (let left = count; left > 0; left -= 1) {
    const key = reader.slice(keyLength);
    checkOrder(before, key);
    before = key;
    const offset = reader.offset();
    const length = reader.i16();
    reader.i64(); // The lowest offset of a page below it.
    if (length < PAGE_FRAME_BYTES) throw new FormatError(`expected the length of a page, found ${length}`);
    children.push({ offset, length });
  }
  return { kind: 'index', children };
}

/** Keys are sorted as unsigned bytes. */
function checkOrder(before: Buffer | undefined, key: Buffer): void {
  if (before !== undefined && Buffer.compare(before, key) >= 0)
    throw new FormatError('expected the keys of a page in ascending order');
}
