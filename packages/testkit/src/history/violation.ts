import type { StoryLine } from './block-story.ts';

/**
 * - `lost-write`: an answered write is missing, and no read ever returned it
 * - `stale-read`: a value is missing that an earlier read returned
 * - `resurrected-value`: a value that had long been overwritten, or whose writer was fenced, is back
 * - `torn-block`: one read shows a write of several sectors of a block half
 * - `never-written`: a value of no write
 * - `damaged-sector`: bytes that are no value, or those of another place
 * - `copies-differ`: the two members of a pair hold different bytes
 */
export type ViolationKind =
  | 'lost-write'
  | 'stale-read'
  | 'resurrected-value'
  | 'torn-block'
  | 'never-written'
  | 'damaged-sector'
  | 'copies-differ';

/** A block that no legal order of the operations explains, with its story. Times are ticks unless they say otherwise. */
export interface Violation {
  readonly kind: ViolationKind;
  readonly device: string;
  readonly block: number;
  /** Sector within the block. */
  readonly sector: number;
  /** A sentence. */
  readonly reason: string;
  /** What of the missing write was promised: nothing, that it is done, or that it is durable. */
  readonly promised: 'nothing' | 'answered' | 'flushed';
  readonly client: number;
  readonly readSentAt: number;
  readonly readAnsweredAt: number;
  readonly found: number;
  readonly missing: WriteFacts | null;
  /** Writes that may legally be there. */
  readonly candidates: readonly WriteFacts[];
  readonly story: readonly StoryLine[];
}

export interface WriteFacts {
  readonly value: number;
  readonly mask: number;
  readonly sentAt: number;
  /** Null when there was no answer, or an error. */
  readonly answeredAt: number | null;
  readonly effectiveBy: number | null;
  readonly fencedAt: number | null;
  readonly fua: boolean;
}
