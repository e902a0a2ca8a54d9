import type { TlogSegment } from '@salvor/contracts';
import type { RecordIndex, SegmentIndex } from './log-source.ts';
import { lastSequence } from './segment.ts';

/** What an index holds of a segment. */
export function segmentIndexOf(segment: TlogSegment): SegmentIndex {
  const { number, epoch, kind, name, first, firstAt, lastAt, base, blockSize } = segment;
  const records: RecordIndex[] = [];
  let at = 0;
  for (const { sequence, block, length, checksum } of segment.records) {
    records.push({ sequence, block, length, at, checksum });
    at += length;
  }
  return {
    ...{ number, epoch, kind, name, first, firstAt, lastAt, base, blockSize, records },
    last: lastSequence(segment),
    positions: segment.positions,
  };
}
