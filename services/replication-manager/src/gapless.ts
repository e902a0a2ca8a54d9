import { lastSequence } from '@salvor/tlog';
import { LostPlaceError, type SourceSegment } from './source-log.ts';

/**
 * What is about to be applied behind a record has all that follows it, in order.
 *
 * @throws LostPlaceError: the volume is compared with its primary then
 */
export function assertGapless(segments: readonly SourceSegment[], applied: number): void {
  let last = applied;
  for (const { segment } of segments) {
    const from = segment.covers?.first ?? segment.first;
    if (from > last + 1)
      throw new LostPlaceError(
        `what arrived lacks what lies between record ${last} and record ${from}, with which segment ${segment.number} begins`,
      );
    last = Math.max(last, lastSequence(segment));
  }
}
