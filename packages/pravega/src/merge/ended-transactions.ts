/** Transactions that ended after their rows were saved. */
import { transactionParent } from '../naming/segment-name.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';

/** What a chunk's name has behind that of its segment, in either layout. */
const CHUNK_MARKS = ['$offset.', '.E-'];

/**
 * A merge takes the files of a transaction away, and so does its abort: the row of one that had bytes, and has no file any
 * more, is as old as the last time the container saved it.
 */
export function forgetEndedTransactions(
  rows: ReadonlyMap<string, SegmentInfo>,
  segments: ReadonlyMap<string, StoredSegment>,
  gone: Map<string, string>,
): void {
  for (const { name, length, startOffset } of rows.values()) {
    const parentName = transactionParent(name);
    const isLeft = length > startOffset && !segments.has(name) && !gone.has(name);
    if (parentName === undefined || !isLeft) continue;
    const parent = segments.get(parentName);
    const isInChain = parent?.extents.some(({ path }) => CHUNK_MARKS.some((m) => path.startsWith(name + m)));
    const hasGrown = parent !== undefined && dataEnd(parent) > (rows.get(parentName)?.length ?? Infinity);
    if (isInChain === true) gone.set(name, 'its chunks are in the chain of its parent: it was merged');
    else if (hasGrown) gone.set(name, 'none of its files is there, and its parent grew since: it was merged');
    else gone.set(name, 'none of its files is there: it was merged, or aborted, or they are all lost');
  }
}
