/** Entries of table segments and their attribute indexes. */
import { createHash } from 'node:crypto';
import { i16, i32, i64, u8 } from './byte-writer.ts';

const NO_VERSION = -(2n ** 63n);

export interface EntryToWrite {
  readonly key: Buffer | string;
  /** Null: a removal. */
  readonly value: Buffer | null;
  readonly version?: number;
}

export function tableEntry({ key, value, version }: EntryToWrite): Buffer {
  const keyBytes = Buffer.from(key);
  const header = [u8(0), i32(keyBytes.length), i32(value?.length ?? -1), i64(version ?? NO_VERSION)];
  return Buffer.concat([...header, keyBytes, value ?? Buffer.alloc(0)]);
}

export interface WrittenTable {
  readonly bytes: Buffer;
  /** Key -> offset of its newest entry, of keys that are alive. */
  readonly live: ReadonlyMap<string, number>;
}

/** A table from offset 0 on. */
export function table(entries: readonly EntryToWrite[]): WrittenTable {
  const parts: Buffer[] = [];
  const live = new Map<string, number>();
  let offset = 0;
  for (const entry of entries) {
    const bytes = tableEntry(entry);
    const key = Buffer.from(entry.key).toString('latin1');
    if (entry.value === null) live.delete(key);
    else live.set(key, offset);
    parts.push(bytes);
    offset += bytes.length;
  }
  return { bytes: Buffer.concat(parts), live };
}

/** The attribute index of a hash table. */
export function tableIndex({ live }: WrittenTable): Buffer {
  const entries = [...live].map(([key, offset]) => {
    const digest = createHash('sha256').update(Buffer.from(key, 'latin1')).digest();
    return { key: flipped(digest.subarray(0, 16)), value: BigInt(offset) };
  });
  return attributeTree(entries, 16);
}

/** The attribute index of a stream segment: UUID -> value. */
export function attributeIndex(attributes: ReadonlyMap<string, bigint>): Buffer {
  const entries = [...attributes].map(([id, value]) => ({
    key: flipped(Buffer.from(id.replaceAll('-', ''), 'hex')),
    value,
  }));
  return attributeTree(entries, 16);
}

interface TreeEntry {
  readonly key: Buffer;
  readonly value: bigint;
}

const ENTRIES_A_PAGE = 100;

/** A B+tree of one or two levels, with its footer. */
export function attributeTree(entries: readonly TreeEntry[], keyLength: number, at = 0): Buffer {
  const sorted = [...entries].sort((a, b) => Buffer.compare(a.key, b.key));
  const parts: Buffer[] = [];
  let offset = at;
  const pages: { key: Buffer; offset: number; length: number }[] = [];
  for (let from = 0; from < Math.max(1, sorted.length); from += ENTRIES_A_PAGE) {
    const some = sorted.slice(from, from + ENTRIES_A_PAGE);
    const leaf = page(
      0,
      pages.length + 1,
      some.map(({ key, value }) => Buffer.concat([key, i64(value)])),
    );
    pages.push({
      key: from === 0 ? Buffer.alloc(keyLength) : (some[0]?.key ?? Buffer.alloc(keyLength)),
      offset,
      length: leaf.length,
    });
    parts.push(leaf);
    offset += leaf.length;
  }
  let root = pages[0] ?? { offset: at, length: 0 };
  if (pages.length > 1) {
    const entriesOfIndex = pages.map((child) =>
      Buffer.concat([child.key, i64(child.offset), i16(child.length), i64(child.offset)]),
    );
    const index = page(1, pages.length + 1, entriesOfIndex);
    root = { offset, length: index.length };
    parts.push(index);
  }
  return Buffer.concat([...parts, i64(root.offset), i32(root.length)]);
}

function page(flags: number, id: number, entries: readonly Buffer[]): Buffer {
  return Buffer.concat([u8(0), u8(flags), i32(id), i32(entries.length), ...entries, i32(id)]);
}

/** Ids are stored with the top bit of each half flipped. */
function flipped(id: Buffer): Buffer {
  const stored = Buffer.from(id);
  for (const at of [0, 8]) stored[at] = (stored[at] ?? 0) ^ 0x80;
  return stored;
}
