/** What a layout says of a segment: the meeting point of both. */
import type { ByteRange, Extent } from './tree/segment-bytes.ts';

export interface StoredSegment {
  readonly name: string;
  /** Bytes that are there, in order, without overlap. */
  readonly extents: readonly Extent[];
  /** The layout's own idea of where the segment begins, at least: what comes before was truncated. */
  readonly startOffset: number;
  readonly sealed: boolean;
  /** The seal is nothing but the mode of a file, which copies lose. */
  readonly isSealByMode: boolean;
  /** Where the storage's own metadata says that the segment ends, if it says so. */
  readonly recordedLength: number | null;
  /** What is missing between the first and the last byte that the storage should have. */
  readonly missing: readonly ByteRange[];
  /** Parts that came by a merge: their events were not counted as the segment's own. */
  readonly merged: readonly ByteRange[];
  /** What is not certain, by the fact, and why. */
  readonly doubts: Doubts;
  /** True where the storage alone does not tell whether the segment still exists. */
  readonly mayBeGone: boolean;
}

/** A doubt about the start offset, which a row may dispel. */
export const FRONT_IS_GONE = 'the first chunks are gone';

export type StoredFact = 'length' | 'startOffset' | 'sealed' | 'existence';
export type Doubts = Readonly<Partial<Record<StoredFact, string>>>;

/** End of the data: offset behind the last byte that is there, or where an empty segment stands. */
export function dataEnd({ extents, startOffset }: StoredSegment): number {
  const last = extents.at(-1);
  return last === undefined ? startOffset : Math.max(startOffset, last.at + last.length);
}
