/** Where the commands about segments read: Tier-1, or a tree itself. */
import type { SegmentRange } from '@salvor/contracts';
import type { EventPiece, TableValue } from '@salvor/segments';
import type { Call } from '../command.ts';
import { printable } from '../rendering/text.ts';

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
  /** Facts that may be otherwise, and why. */
  readonly uncertain: readonly UncertainFact[];
}

export interface UncertainFact {
  readonly fact: string;
  readonly why: string;
}

export type ListedSegment = Pick<
  KnownSegment,
  'segment' | 'container' | 'length' | 'startOffset' | 'sealed' | 'uncertain'
>;

export interface SegmentFilter {
  readonly container: number | undefined;
  readonly prefix: string;
}

export interface SegmentSource {
  /** By container and name. */
  list(filter: SegmentFilter): AsyncIterable<ListedSegment>;
  /** Throws `unknown-segment`. */
  get(segment: string): Promise<KnownSegment>;
  /** In order; what is missing is left out. */
  content(segment: KnownSegment, range: SegmentRange): AsyncIterable<EventPiece>;
  /** What a table holds, in the order in which it was written. */
  values(segment: KnownSegment): AsyncIterable<TableValue>;
}

/** Facts that decide about which bytes, events or entries are read. */
const OF_CONTENT: ReadonlySet<string> = new Set(['existence', 'length', 'startOffset']);

/** On stderr, beside what is read. */
export function tellDoubts({ terminal }: Call, { segment, uncertain }: KnownSegment): void {
  for (const { fact, why } of uncertain.filter(({ fact }) => OF_CONTENT.has(fact)))
    terminal.err(`salvor: ${printable(`uncertain: ${fact} of ${segment}: ${why}`)}\n`);
}
