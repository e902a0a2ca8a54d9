import { EVENT_INDEX_RECORD_BYTES } from '../events/event-index.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';

const PIECE_BYTES = 2_048 * EVENT_INDEX_RECORD_BYTES;

export interface EventIndexWalk {
  readonly records: number;
  /** What is wrong, and at which offset of the event index. */
  readonly problem?: { readonly at: number; readonly what: string };
}

/** Every record of an event index: offsets and counts only ever grow, and never lead beyond the segment. */
export async function walkEventIndex(index: SegmentBytes, segmentLength: number): Promise<EventIndexWalk> {
  let before = { offset: 0n, count: 0n };
  let records = 0;
  for (
    let at = Math.ceil(index.start / EVENT_INDEX_RECORD_BYTES) * EVENT_INDEX_RECORD_BYTES;
    at < index.end;
  ) {
    const piece = await index.read(at, PIECE_BYTES);
    if (piece.length < EVENT_INDEX_RECORD_BYTES)
      return {
        records,
        problem: {
          at,
          what: `expected a record of ${EVENT_INDEX_RECORD_BYTES} bytes, found ${piece.length}`,
        },
      };
    for (let place = 0; piece.length - place >= EVENT_INDEX_RECORD_BYTES; place += EVENT_INDEX_RECORD_BYTES) {
      const record = { offset: piece.readBigInt64BE(place), count: piece.readBigInt64BE(place + 8) };
      const what = problemOf(before, record, segmentLength);
      if (what !== undefined) return { records, problem: { at, what } };
      before = record;
      records += 1;
      at += EVENT_INDEX_RECORD_BYTES;
    }
  }
  return { records };
}

interface Place {
  readonly offset: bigint;
  readonly count: bigint;
}

function problemOf(before: Place, { offset, count }: Place, segmentLength: number): string | undefined {
  if (offset < before.offset || count < before.count)
    return `expected at least offset ${before.offset} and ${before.count} events, found ${offset} and ${count}`;
  if (offset > BigInt(segmentLength))
    return `it tells of events up to ${offset}, and the segment ends at ${segmentLength}`;
  return undefined;
}
