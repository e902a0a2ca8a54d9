/** What is true of a segment, when several sources say different things: none is trusted alone. */
import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, FRONT_IS_GONE, type StoredSegment } from '../stored-segment.ts';
import type { ByteRange } from '../tree/segment-bytes.ts';

export interface SegmentSources {
  /** What the files say. */
  readonly stored: StoredSegment | undefined;
  /** The row of `metadata_N`: as old as the last time the container saved it. */
  readonly row: SegmentInfo | undefined;
  /** `metadata_N` has the removal of the row. */
  readonly isRowRemoved: boolean;
  /** The row was put again behind its removal: a segment of this name was deleted, and created anew. */
  readonly isRowRecreated?: boolean;
  /** Every row of the container could be read, so that what is not there was not there. */
  readonly isMetadataWhole: boolean;
  /** Why the storage says that the segment is gone. */
  readonly gone: string | undefined;
}

export type UncertainFact =
  | 'existence'
  | 'container'
  | 'length'
  | 'startOffset'
  | 'sealed'
  | 'coreAttributes'
  | 'extendedAttributes';

export interface SegmentDecision {
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  /** Bytes that a source tells of and no file has. */
  readonly lost: readonly ByteRange[];
  /** Facts that may be otherwise, and why. What is not here was told by an undamaged source. */
  readonly uncertain: Readonly<Partial<Record<UncertainFact, string>>>;
}

export type Verdict =
  | { readonly exists: true; readonly segment: SegmentDecision }
  | { readonly exists: false; readonly reason: string };

/**
 * Two sources that say different things of what only ever goes one way: the later one is believed, and it is said that it is
 * one alone. The formats have no checksums, so that a changed bit looks the same.
 */
function contradictions(
  stored: StoredSegment,
  row: SegmentInfo,
  { sealed, startOffset }: Partial<Record<UncertainFact, string>>,
): Partial<Record<UncertainFact, string>> {
  const found: Partial<Record<UncertainFact, string>> = {};
  const first = stored.extents[0];
  if (stored.recordedLength !== null) {
    if (sealed === undefined && stored.sealed !== row.sealed)
      found.sealed = `deduced from ${row.sealed ? 'metadata' : 'storage metadata'} alone: the other one does not have the seal`;
    if (startOffset === undefined && stored.startOffset !== row.startOffset)
      found.startOffset = `deduced from ${row.startOffset > stored.startOffset ? 'metadata' : 'storage metadata'} alone: the other one says ${Math.min(row.startOffset, stored.startOffset)}`;
  } else if (
    startOffset === undefined &&
    first !== undefined &&
    stored.extents.length > 1 &&
    row.startOffset >= first.at + first.length
  )
    found.startOffset =
      'deduced from metadata alone: chunks before it are still there, which a truncation deletes';
  return found;
}

const DAMAGED_METADATA = 'metadata of its container is damaged or missing';
const LOWER_BOUND = 'a lower bound: the first chunks are gone, since they were truncated, or are lost';

export function decideSegment(sources: SegmentSources): Verdict {
  const reason = reasonForAbsence(sources);
  return reason === undefined ? { exists: true, segment: factsOf(sources) } : { exists: false, reason };
}

/** Nothing that was deleted comes back. */
function reasonForAbsence({
  stored,
  row,
  isRowRemoved,
  isMetadataWhole,
  isRowRecreated = false,
  gone,
}: SegmentSources): string | undefined {
  if (row === undefined && isRowRemoved) return 'the metadata of its container has its removal';
  // What the storage deleted was the one before, if this one was never written.
  if (stored === undefined && gone !== undefined && !(isRowRecreated && row?.length === 0)) return gone;
  if (stored === undefined && row === undefined) return 'no source has it';
  if (stored?.mayBeGone && row === undefined && isMetadataWhole)
    return 'its last chunk is gone, and the metadata of its container has no row of it: it was being deleted';
  return undefined;
}

function factsOf({ stored, row, isMetadataWhole, gone }: SegmentSources): SegmentDecision {
  const firstByte = stored?.extents[0]?.at ?? 0;
  const startOffset = Math.max(stored?.startOffset ?? 0, row?.startOffset ?? 0, firstByte);
  const end = Math.max(stored === undefined ? 0 : dataEnd(stored), startOffset);
  // What was sealed did not grow: bytes beyond are none of it.
  const length = row?.sealed === true && row.length >= startOffset ? Math.min(end, row.length) : end;
  const recorded = Math.max(row?.length ?? 0, stored?.recordedLength ?? 0);
  const holes = (stored?.missing ?? []).filter(({ to }) => to > startOffset && to <= length);
  const sealed = (stored?.sealed ?? false) || (row?.sealed ?? false);
  const uncertain: Partial<Record<UncertainFact, string>> = { ...stored?.doubts };

  if (length < recorded)
    uncertain.length = `metadata says ${recorded}; the bytes from ${length} on were in Tier-1 alone, or are lost`;
  else if (length > recorded)
    uncertain.length ??= `deduced from the data: metadata ${recorded === 0 ? 'has none' : `says ${recorded}`}`;
  if (firstByte > Math.max(stored?.startOffset ?? 0, row?.startOffset ?? 0))
    uncertain.startOffset = LOWER_BOUND;
  else if (uncertain.startOffset === FRONT_IS_GONE) {
    // The row tells up to where the segment was truncated, which is why the chunks are gone.
    if (row !== undefined && isMetadataWhole && row.startOffset >= firstByte) delete uncertain.startOffset;
    else uncertain.startOffset = LOWER_BOUND;
  }
  // A header that lost its first chunks says no more than this; one that was rewritten by a truncation says the same.
  if (stored?.isSealByMode === true && row !== undefined && stored.startOffset > row.startOffset)
    uncertain.startOffset ??= LOWER_BOUND;
  if (stored?.sealed === true && stored.isSealByMode && row?.sealed !== true)
    uncertain.sealed ??= 'by the mode of a file alone: no metadata has the seal';
  else if (sealed) delete uncertain.sealed;
  if (stored !== undefined && row !== undefined)
    Object.assign(uncertain, contradictions(stored, row, uncertain));
  if (!isMetadataWhole) {
    uncertain.startOffset ??= DAMAGED_METADATA;
    uncertain.coreAttributes ??= DAMAGED_METADATA;
    uncertain.length ??= DAMAGED_METADATA;
    uncertain.existence ??= DAMAGED_METADATA;
    if (!sealed) uncertain.sealed ??= DAMAGED_METADATA;
  } else if (row !== undefined && stored?.mayBeGone !== true) delete uncertain.existence;
  if (stored === undefined && gone !== undefined)
    uncertain.existence = `deduced from its row, which was put again behind a removal: ${gone}`;
  if (isMetadataWhole && row === undefined)
    uncertain.coreAttributes ??= 'the metadata of its container has no row of it';
  if (row?.problem !== undefined) uncertain.coreAttributes ??= row.problem;
  return {
    length,
    startOffset,
    sealed,
    lost: [...holes, ...(length < recorded ? [{ from: length, to: recorded }] : [])],
    uncertain,
  };
}
