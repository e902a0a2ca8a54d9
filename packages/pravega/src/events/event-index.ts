/** The index of a stream segment's events (`<segment>#index`, `io.pravega.segmentstore.server.host.handler.IndexEntry`). */
import type { SegmentBytes } from '../tree/segment-bytes.ts';

/** After an append the segment was `offset` long, with so many events. */
export interface EventIndexRecord {
  readonly offset: number;
  readonly eventCount: number;
  readonly at: number;
}

export const EVENT_INDEX_RECORD_BYTES = 24;

/** The last whole record; undefined when there is none that can be one. */
export async function lastIndexRecord(bytes: SegmentBytes): Promise<EventIndexRecord | undefined> {
  const whole = bytes.end - (bytes.end % EVENT_INDEX_RECORD_BYTES);
  const record = await bytes.read(Math.max(0, whole - EVENT_INDEX_RECORD_BYTES), EVENT_INDEX_RECORD_BYTES);
  if (record.length < EVENT_INDEX_RECORD_BYTES) return undefined;
  const [offset, eventCount, at] = [0, 8, 16].map((position) => Number(record.readBigInt64BE(position)));
  if (offset === undefined || eventCount === undefined || at === undefined) return undefined;
  const isPlausible = [offset, eventCount].every((value) => Number.isSafeInteger(value) && value >= 0);
  return isPlausible ? { offset, eventCount, at } : undefined;
}
