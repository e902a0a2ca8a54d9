/** EVENT_COUNT of a segment: what its row and the index of its events have, and the events that were appended since. */
import { type EventIndexRecord, lastIndexRecord } from '../events/event-index.ts';
import { walkEvents } from '../events/event-walk.ts';
import { INDEX_SUFFIX } from '../naming/segment-name.ts';
import { coreAttribute } from '../records/core-attributes.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import type { ByteRange, SegmentBytes } from '../tree/segment-bytes.ts';

export interface CountedSegment {
  readonly name: string;
  readonly bytes: SegmentBytes;
  readonly eventIndex: SegmentBytes | undefined;
  readonly row: SegmentInfo | undefined;
  readonly startOffset: number;
  readonly length: number;
  /** Parts that came by merges: their events were counted elsewhere. */
  readonly merged: readonly ByteRange[];
}

export interface EventCount {
  /** Undefined: as the row has it. */
  readonly count?: bigint;
  readonly doubt?: string;
}

/** So many events had been appended when the segment was `at` bytes long. */
interface KnownCount {
  readonly at: number;
  readonly count: number;
}

export async function countEvents(segment: CountedSegment): Promise<EventCount> {
  if (segment.name.endsWith(INDEX_SUFFIX)) return countOfIndex(segment);
  const { bytes, row, startOffset, length, merged } = segment;
  const rowCount = row?.attributes.get(coreAttribute.eventCount);
  const inRow = { at: row?.length ?? 0, count: Number(rowCount ?? 0n) };
  const inIndex = await indexed(segment);
  const doubt = inIndex && row && (await contradiction(segment, inRow, inIndex));
  const base = inIndex !== undefined && inIndex.at > inRow.at ? inIndex : inRow;
  if (length <= base.at && base === inRow) return doubted({}, doubt);
  if (startOffset > base.at) return doubted({}, 'events that were truncated were not counted', doubt);
  const { count, ending } = await walkEvents(bytes, base.at, length, merged);
  const total = BigInt(base.count) + BigInt(count);
  return doubted(
    total > 0n ? { count: total } : {},
    doubt,
    ending === 'whole' ? undefined : 'its bytes are not events to the end',
  );
}

/** The count of an event index is the one that its last record has. */
async function countOfIndex({ bytes, row, length }: CountedSegment): Promise<EventCount> {
  const last = await lastIndexRecord(bytes);
  if (length <= (row?.length ?? 0)) {
    const inRow = row?.attributes.get(coreAttribute.eventCount);
    const isSame = length < (row?.length ?? 0) || last === undefined || inRow === BigInt(last.eventCount);
    return isSame || inRow === undefined
      ? {}
      : { doubt: `its row counts ${inRow} events, its last record ${last.eventCount}` };
  }
  return last === undefined
    ? { doubt: 'its last record cannot be read' }
    : { count: BigInt(last.eventCount) };
}

async function indexed({ eventIndex, length }: CountedSegment): Promise<KnownCount | undefined> {
  const last: EventIndexRecord | undefined = eventIndex && (await lastIndexRecord(eventIndex));
  return last === undefined || last.offset > length ? undefined : { at: last.offset, count: last.eventCount };
}

/**
 * Between two places of a segment at least no event was appended, and at most all that are there: some of them may have come
 * by merges that copied them. The formats have no checksums, so that one of two sources may have a changed bit.
 */
async function contradiction(
  { bytes, startOffset, merged }: CountedSegment,
  inRow: KnownCount,
  inIndex: KnownCount,
): Promise<string | undefined> {
  const [before, behind] = inIndex.at < inRow.at ? [inIndex, inRow] : [inRow, inIndex];
  const grown = behind.count - before.count;
  const there = before.at >= startOffset ? await walkEvents(bytes, before.at, behind.at, merged) : undefined;
  const isPossible = grown >= 0 && (there?.ending !== 'whole' || grown <= there.count);
  if (isPossible) return undefined;
  return `its row counts ${inRow.count} events up to ${inRow.at}, its event index ${inIndex.count} up to ${inIndex.at}`;
}

function doubted(count: EventCount, ...doubts: readonly (string | undefined)[]): EventCount {
  const told = doubts.filter((doubt) => doubt !== undefined);
  return told.length === 0 ? count : { ...count, doubt: told.join('; ') };
}
