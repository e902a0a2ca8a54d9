/** Finds boundaries of events in the event index of a segment (`<segment>#index`), by binary search. */
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { EVENT_INDEX_RECORD_BYTES } from './event-index.ts';

/** The first offset of at least `offset` at which an event is known to begin, or the data to end. */
export type FindBoundary = (offset: number) => Promise<number | undefined>;

export function boundariesIn(index: SegmentBytes | undefined): FindBoundary {
  if (index === undefined) return async () => undefined;
  const first = Math.ceil(index.start / EVENT_INDEX_RECORD_BYTES);
  const end = Math.floor(index.end / EVENT_INDEX_RECORD_BYTES);
  return async (offset) => {
    let low = first;
    let high = end;
    let found: number | undefined;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const boundary = await boundaryOf(index, middle);
      // A record that cannot be read ends the search: what is found then is a boundary all the same, if a later one.
      if (boundary === undefined) return found;
      if (boundary >= offset) {
        found = boundary;
        high = middle;
      } else low = middle + 1;
    }
    return found;
  };
}

async function boundaryOf(index: SegmentBytes, record: number): Promise<number | undefined> {
  const bytes = await index.read(record * EVENT_INDEX_RECORD_BYTES, 8);
  if (bytes.length < 8) return undefined;
  const offset = Number(bytes.readBigInt64BE(0));
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}
