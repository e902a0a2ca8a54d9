/** What is alive in a hash table segment: its attribute index and its entries, each checking the other. */

import { bucketOf, isBackPointer, UUID_KEY_BYTES } from '../attributes/attribute-key.ts';
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import type { Findings } from '../tree/finding.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { entryAt, findEntryStart, scanEntries, type TableEntry } from './entry-scan.ts';

/** Keys that are kept of one table: more would not fit the memory bound. */
export const MAX_TABLE_KEYS = 1_000_000;
/** Places of one table where the walk may break off and be taken up again. */
const MAX_BREAKS = 1_000;

export interface LiveKey {
  readonly offset: number;
  readonly version: number;
  readonly valueLength: number;
}

export interface TableReading {
  /** By key, as latin1 text of its bytes. */
  readonly live: ReadonlyMap<string, LiveKey>;
  /** Keys of which the newest entry is a removal. */
  readonly removed: ReadonlySet<string>;
  /** Keys that were put again behind a removal. */
  readonly recreated: ReadonlySet<string>;
  /** Entries, removals included, from `countFrom` on. */
  readonly totalEntries: number;
  /** False where entries may be missing: then a key that is not there says nothing. */
  readonly isWhole: boolean;
  /** Whether the index took part. Without it a removal that was truncated away may have been missed. */
  readonly hasIndex: boolean;
}

export interface HashTableOptions {
  readonly segment: string;
  readonly findings: Findings;
  /** The attribute index of the table, where there is one. */
  readonly index: SegmentBytes | undefined;
  /** Where the table is known to begin with a whole entry, if that is known. */
  readonly startOffset?: number | undefined;
  /** See `totalEntries`. */
  readonly countFrom?: number;
  /** Keys that are of no interest, which saves their memory. */
  readonly ignores?: (entry: TableEntry) => boolean;
}

interface Newest {
  readonly offset: number;
  readonly version: number;
  readonly valueLength: number | null;
  readonly isCopied: boolean;
  /** The index leads to this very entry. */
  readonly isIndexed: boolean;
}

export async function readHashTable(bytes: SegmentBytes, options: HashTableOptions): Promise<TableReading> {
  const { segment, findings } = options;
  const index = await readBuckets(options);
  const newest = new Map<string, Newest>();
  const recreated = new Set<string>();
  let totalEntries = 0;
  let isWhole = true;

  const take = (entry: TableEntry) => {
    const { offset, header } = entry;
    const bucket = index?.bucketAt.get(offset);
    const isIndexed = bucket !== undefined && bucket === bucketOf(entry.key);
    if (isIndexed) index?.bucketAt.delete(offset);
    if (offset >= (options.countFrom ?? 0)) totalEntries += 1;
    if (options.ignores?.(entry)) return;
    const key = entry.key.toString('latin1');
    const before = newest.get(key);
    if (before === undefined && newest.size >= MAX_TABLE_KEYS) {
      if (isWhole)
        findings.damage('bad-entry', `more than ${MAX_TABLE_KEYS} keys; the others are not read`, {
          segment,
        });
      isWhole = false;
    } else if (before === undefined || header.version >= before.version) {
      const { version, valueLength, isCopied } = header;
      if (before?.valueLength === null && valueLength !== null) recreated.add(key);
      newest.set(key, { offset, version, valueLength, isCopied, isIndexed });
    }
  };

  const breaks = await scanRuns(bytes, options, index?.pointers ?? [], take);
  for (const { from, to } of breaks) {
    isWhole = false;
    const message =
      to === bytes.end ? 'the table ends with bytes that are no whole entry' : 'bytes that are no entry';
    findings.damage('bad-entry', message, { segment, from, to });
  }
  for (const hole of bytes.holes(bytes.start, bytes.end)) {
    isWhole = false;
    findings.damage('lost-range', 'a part of the table is missing', { segment, ...hole });
  }

  const unseen = index === undefined ? 0 : index.bucketAt.size;
  if (unseen > 0) {
    isWhole = false;
    const message = `${unseen} entries that the index leads to could not be read; older ones may have taken their place`;
    findings.damage('bad-entry', message, { segment });
  }
  const live = new Map<string, LiveKey>();
  const removed = new Set<string>();
  let contradicted = 0;
  for (const [key, { offset, version, valueLength, isCopied, isIndexed }] of newest) {
    if (valueLength === null) removed.add(key);
    else if (!isIndexed && index !== undefined && isRemovedByIndex(key, isCopied ? version : offset, index)) {
      removed.add(key);
      // Compaction copies what is removed later; an entry that was not copied has its removal behind it, in the table.
      if (!isCopied) contradicted += 1;
    } else live.set(key, { offset, version, valueLength });
  }
  if (contradicted > 0) {
    isWhole = false;
    const message = `${contradicted} entries are none of the index, which is newer than they are: their removals cannot be read, or their keys are damaged`;
    findings.damage('bad-entry', message, { segment });
  }
  return { live, removed, recreated, totalEntries, isWhole, hasIndex: index !== undefined };
}

interface Buckets {
  readonly buckets: ReadonlySet<string>;
  /** Offset of the newest entry of a bucket -> the bucket. What was read is taken out. */
  readonly bucketAt: Map<number, string>;
  /** Offsets of entries, ascending. */
  readonly pointers: readonly number[];
}

async function readBuckets({ index, segment, findings }: HashTableOptions): Promise<Buckets | undefined> {
  if (index === undefined) return undefined;
  const buckets = new Set<string>();
  const bucketAt = new Map<number, string>();
  const pointers: number[] = [];
  const tree = await readAttributeTree(index, UUID_KEY_BYTES, ({ key, value }) => {
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) return;
    pointers.push(Number(value));
    if (isBackPointer(key)) return;
    buckets.add(key.toString('hex'));
    bucketAt.set(Number(value), key.toString('hex'));
  });
  if (tree === undefined) {
    findings.damage('bad-index', 'the index of the table has no valid tree; its entries alone are read', {
      segment,
    });
    return undefined;
  }
  if (tree.tornBytes > 0)
    findings.damage('bad-index', `${tree.tornBytes} bytes at the end of the index are no valid tree`, {
      segment,
    });
  return { buckets, bucketAt, pointers: pointers.sort((a, b) => a - b) };
}

/**
 * Entries are indexed in their order, and compaction copies only those that the index has. One that the index has seen, but
 * whose key it does not have, was removed since; the removal of one that was copied may have been truncated away.
 */
function isRemovedByIndex(key: string, seenAt: number, { buckets, pointers }: Buckets): boolean {
  const newestIndexed = pointers.at(-1) ?? -1;
  return seenAt <= newestIndexed && !buckets.has(bucketOf(Buffer.from(key, 'latin1')));
}

/** All entries; where the walk breaks off, it goes on at the next entry that can be found. Returns what was left out. */
async function scanRuns(
  bytes: SegmentBytes,
  { startOffset }: HashTableOptions,
  pointers: readonly number[],
  take: (entry: TableEntry) => void,
): Promise<{ from: number; to: number }[]> {
  const breaks: { from: number; to: number }[] = [];
  const { start, end } = bytes;
  let at: number | undefined = await firstEntry(bytes, startOffset, pointers);
  if (at === undefined) return start === end ? [] : [{ from: start, to: end }];
  while (at < end && breaks.length <= MAX_BREAKS) {
    const stoppedAt = await scanEntries(bytes, at, end, take);
    if (stoppedAt >= end) break;
    const next = await nextEntry(bytes, stoppedAt, pointers);
    breaks.push({ from: stoppedAt, to: next ?? end });
    if (next === undefined) break;
    at = next;
  }
  return breaks;
}

/** Behind a place where none begins: soon after it, or else behind the hole that it comes before. */
async function nextEntry(
  bytes: SegmentBytes,
  stoppedAt: number,
  pointers: readonly number[],
): Promise<number | undefined> {
  const { end } = bytes;
  const near = await findEntryStart(bytes, stoppedAt + 1, end, await intact(bytes, pointers, stoppedAt));
  const [hole] = bytes.holes(stoppedAt, end);
  if (near !== undefined || hole === undefined) return near;
  return findEntryStart(bytes, hole.to, end, await intact(bytes, pointers, hole.to - 1));
}

/** The next few indexed entries that are whole: a pointer may lead to the very bytes that are damaged. */
async function intact(bytes: SegmentBytes, pointers: readonly number[], from: number): Promise<number[]> {
  const found: number[] = [];
  for (const offset of pointers) {
    if (offset <= from) continue;
    if ((await entryAt(bytes, offset, bytes.end)) !== undefined) found.push(offset);
    if (found.length >= 8) break;
  }
  return found;
}

/**
 * Where the first whole entry begins: chunks are truncated as a whole, so that the first one may begin inside an entry.
 * To begin below the true start does no harm, since versions sort it out.
 */
async function firstEntry(
  bytes: SegmentBytes,
  startOffset: number | undefined,
  pointers: readonly number[],
): Promise<number | undefined> {
  const { start, end } = bytes;
  if (start === end) return undefined;
  if (start === 0) return 0;
  if (startOffset !== undefined && startOffset >= start && startOffset < end) {
    if ((await entryAt(bytes, startOffset, end)) !== undefined) return startOffset;
  }
  return findEntryStart(bytes, start, end, await intact(bytes, pointers, start - 1));
}

/** The value of a live key. Undefined when it cannot be read any more. */
export async function liveValue(bytes: SegmentBytes, { offset }: LiveKey): Promise<Buffer | undefined> {
  return (await entryAt(bytes, offset, bytes.end))?.value ?? undefined;
}
