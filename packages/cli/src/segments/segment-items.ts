/** What a segment holds, one by one: whole events, entries of a table, or pieces of bytes. */
import type { SegmentRange } from '@salvor/contracts';
import { EventPieces, type TableValue } from '@salvor/segments';
import type { KnownSegment, SegmentSource } from './segment-source.ts';

export type SegmentItem =
  | { readonly kind: 'event'; readonly offset: number; readonly payload: Buffer }
  | ({ readonly kind: 'entry' } & TableValue)
  | { readonly kind: 'bytes'; readonly offset: number; readonly data: Buffer };

/** Events that begin in the range; of other segments the bytes of the range, or all entries. */
export async function* itemsOf(
  source: SegmentSource,
  segment: KnownSegment,
  range: SegmentRange,
): AsyncGenerator<SegmentItem> {
  if (segment.framing === 'entries')
    for await (const value of source.values(segment)) yield { kind: 'entry', ...value };
  else if (segment.framing === 'events') yield* eventsOf(source, segment, range);
  else
    for await (const { offset, data } of source.content(segment, range))
      yield { kind: 'bytes', offset, data };
}

async function* eventsOf(
  source: SegmentSource,
  segment: KnownSegment,
  { from, to }: SegmentRange,
): AsyncGenerator<SegmentItem> {
  for (const run of segment.runs) {
    if (run.to <= from || run.from >= to) continue;
    // Only the run tells where events begin: they are walked from its beginning.
    const pieces = new EventPieces(run);
    for await (const piece of source.content(segment, run))
      for (const { offset, payload } of pieces.take(piece)) {
        if (offset >= to) return;
        if (offset >= from) yield { kind: 'event', offset, payload };
      }
  }
}

/** Text as it is; other bytes as `{"base64": …}`. */
export function jsonBytes(bytes: Buffer): string | { readonly base64: string } {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : { base64: bytes.toString('base64') };
}

/** One JSON object, without the end of the line. */
export function itemAsJson(item: SegmentItem): string {
  if (item.kind === 'event') return JSON.stringify({ offset: item.offset, payload: jsonBytes(item.payload) });
  if (item.kind === 'bytes')
    return JSON.stringify({ offset: item.offset, base64: item.data.toString('base64') });
  const { key, version, value } = item;
  return JSON.stringify({ key: jsonBytes(key), version, value: jsonBytes(value) });
}
