/** An attribute index: a B+tree in an append-only segment, of which the newest valid version counts. */
import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { readFrame } from '../format/frame.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { FOOTER_BYTES, type LeafEntry, type PagePointer, parseFooter, parsePage } from './tree-page.ts';

/** Pages hold 32 KiB: eight levels are more than 2^64 entries. */
const MAX_DEPTH = 8;
/** How far from the end a footer is searched when the end is torn. */
const MAX_SEARCH_BYTES = 4 * 1024 * 1024;
/** How many footers that look right are walked, at most. */
const MAX_WALKS = 64;
const STATISTICS_MAX_BYTES = 32;
/** Entries of one tree that are read: more would not fit the memory bound. */
export const MAX_TREE_ENTRIES = 1_000_000;

export interface AttributeTree {
  /** Offset of the footer in use: core attribute 7 of the segment. Null for an index that was never written. */
  readonly footerAt: number | null;
  /** Bytes behind the footer in use, which are torn or not valid. */
  readonly tornBytes: number;
}

/**
 * Reads the newest valid tree and gives its entries in order. Undefined when there is none; then nothing was given.
 * Writes to the legacy layout are not atomic, so what ends an index may be torn: an earlier footer counts then.
 */
export async function readAttributeTree(
  bytes: SegmentBytes,
  keyLength: number,
  onEntry: (entry: LeafEntry) => void,
): Promise<AttributeTree | undefined> {
  const { end } = bytes;
  if (end <= FOOTER_BYTES) return { footerAt: null, tornBytes: end };
  let walks = 0;
  for await (const { footerAt, root } of footers(bytes)) {
    walks += 1;
    if (walks > MAX_WALKS) return undefined;
    // First as a trial: entries of a tree that turns out broken must not be given.
    if (!(await walk(bytes, root, footerAt, keyLength, () => undefined))) continue;
    await walk(bytes, root, footerAt, keyLength, onEntry);
    return { footerAt, tornBytes: end - footerAt - FOOTER_BYTES };
  }
  return undefined;
}

/** Places that may be footers, newest first: the root ends where the footer, or the statistics before it, begins. */
async function* footers(bytes: SegmentBytes): AsyncGenerator<{ footerAt: number; root: PagePointer }> {
  const windowBytes = 64 * 1024;
  const lowest = Math.max(bytes.start, bytes.end - MAX_SEARCH_BYTES);
  for (let to = bytes.end; to > lowest; to -= windowBytes) {
    const from = Math.max(lowest, to - windowBytes);
    const window = await bytes.read(from, to - from + FOOTER_BYTES + STATISTICS_MAX_BYTES);
    for (let footerAt = Math.min(to, bytes.end - FOOTER_BYTES + 1) - 1; footerAt >= from; footerAt -= 1) {
      const root = parseFooter(window, footerAt - from);
      if (root === undefined) continue;
      const gap = footerAt - root.offset - root.length;
      if (gap === 0) yield { footerAt, root };
      else if (gap > 0 && gap <= STATISTICS_MAX_BYTES && (await isStatistics(bytes, footerAt - gap, gap)))
        yield { footerAt, root };
    }
  }
}

/** Entry and page counts, which tables with keys of one length write before the footer (`BTreeIndex.Statistics`). */
async function isStatistics(bytes: SegmentBytes, at: number, length: number): Promise<boolean> {
  try {
    const reader = new ByteReader(await bytes.read(at, length));
    readFrame(reader);
    return reader.remaining === 0;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/** False when any page of the tree is not valid. Children lie before their parents, so that no walk is endless. */
async function walk(
  bytes: SegmentBytes,
  root: PagePointer,
  endsAt: number,
  keyLength: number,
  onEntry: (entry: LeafEntry) => void,
): Promise<boolean> {
  const visited = new Set<number>();
  let entries = 0;
  return visit(root, endsAt, 1);

  async function visit(page: PagePointer, before: number, depth: number): Promise<boolean> {
    const isInside = page.offset >= bytes.start && page.offset + page.length <= before;
    if (!isInside || depth > MAX_DEPTH || visited.has(page.offset)) return false;
    visited.add(page.offset);
    const found = await bytes.read(page.offset, page.length);
    const parsed = tryParse(found, page.length, keyLength);
    if (parsed === undefined) return false;
    if (parsed.kind === 'leaf') {
      entries += parsed.entries.length;
      if (entries > MAX_TREE_ENTRIES) return false;
      for (const entry of parsed.entries) onEntry(entry);
      return true;
    }
    for (const child of parsed.children) if (!(await visit(child, page.offset, depth + 1))) return false;
    return true;
  }
}

function tryParse(bytes: Buffer, length: number, keyLength: number) {
  try {
    return bytes.length === length ? parsePage(bytes, keyLength) : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
