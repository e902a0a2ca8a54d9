/** Where the commands about segments read: Tier-1, or a tree itself. */
import type { SegmentRange } from '@salvor/contracts';
import type { EventPiece, TableValue } from '@salvor/segments';

export interface KnownSegment {
  readonly segment: string;
  readonly container: number;
  readonly length: number;
  readonly startOffset: number;
  /** Where its last whole event ends. */
  readonly appendAt: number;
  readonly sealed: boolean;
  readonly framing: string;
  readonly events?: number | undefined;
  /** Where whole events are. */
  readonly runs: readonly SegmentRange[];
  readonly lost: readonly SegmentRange[];
  readonly sha256?: string | undefined;
}

export interface SegmentFilter {
  readonly container: number | undefined;
  readonly prefix: string;
}

export interface SegmentSource {
  /** By container and name. */
  list(
    filter: SegmentFilter,
  ): AsyncIterable<Pick<KnownSegment, 'segment' | 'container' | 'length' | 'startOffset' | 'sealed'>>;
  /** Throws `unknown-segment`. */
  get(segment: string): Promise<KnownSegment>;
  /** In order; what is missing is left out. */
  content(segment: KnownSegment, range: SegmentRange): AsyncIterable<EventPiece>;
  /** What a table holds, in the order in which it was written. */
  values(segment: KnownSegment): AsyncIterable<TableValue>;
}
