import type { TlogSegment } from '@salvor/contracts';

/** What became of a publish that was not acknowledged. */
export type PublishTrouble =
  /** Stored or not, or not stored and it may be later: the same bytes under the same id again. */
  | 'again'
  /** Something else is the newest segment of the subject: look what. */
  | 'look'
  /** The connection is closed for good. */
  | 'closed';

/** @param code of the error that the bus gave */
export function decidePublishTrouble(code: string): PublishTrouble {
  if (code === 'wrong-last-sequence') return 'look';
  // Anything else may pass: a refusal for lack of rights or of room is for an operator to end, and nothing may be skipped.
  return code === 'bus-closed' ? 'closed' : 'again';
}

/** The newest segment that Tier-1 has, with its sequence in the stream. */
export interface NewestSegment {
  readonly streamSequence: number;
  readonly segment: Pick<TlogSegment, 'number' | 'epoch'>;
}

export type Conflict =
  /** It was stored: only the acknowledgement was lost. */
  | { readonly kind: 'stored'; readonly streamSequence: number }
  /** The segment before ours is the newest, at another place than we knew. */
  | { readonly kind: 'again'; readonly streamSequence: number }
  | { readonly kind: 'fenced'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string };

/** What it means that a segment was refused because another one is the newest of its subject. */
export function decideConflict(
  mine: Pick<TlogSegment, 'number' | 'epoch'>,
  newest: NewestSegment | null,
): Conflict {
  if (newest === null)
    return {
      kind: 'lost',
      reason: `expected segment ${mine.number - 1} to be the newest in Tier-1, found none`,
    };
  const { number, epoch } = newest.segment;
  if (epoch > mine.epoch)
    return { kind: 'fenced', reason: `epoch ${epoch} took the log up; this owner has epoch ${mine.epoch}` };
  if (number === mine.number && epoch === mine.epoch)
    return { kind: 'stored', streamSequence: newest.streamSequence };
  if (number === mine.number - 1) return { kind: 'again', streamSequence: newest.streamSequence };
  return {
    kind: 'lost',
    reason: `expected segment ${mine.number - 1} to be the newest in Tier-1, found ${number} of epoch ${epoch}`,
  };
}

/** Where a log begins that an owner takes up. */
export interface LogPlace {
  /** Of the last segment there is, 0: none. */
  readonly number: number;
  /** Of the last record there is. */
  readonly sequence: number;
}

export interface LogTail extends LogPlace {
  readonly epoch: number;
  readonly base: number;
  readonly positions: ReadonlyMap<number, number>;
}

export type BeginPlace =
  | { readonly kind: 'fenced'; readonly reason: string }
  /** `tail` is null where Tier-1 has nothing; `lost` says why what there was is not all there. */
  | {
      readonly kind: 'begin';
      readonly tail: LogTail | null;
      readonly place: LogPlace;
      readonly lost: string | null;
    };

/** Where an owner goes on: behind what Tier-1 has, or, where that is less, behind what was archived. */
export function decideBegin(epoch: number, tail: LogTail | null, archived: LogPlace | null): BeginPlace {
  if (tail !== null && tail.epoch > epoch)
    return {
      kind: 'fenced',
      reason: `epoch ${tail.epoch} took the log up; this owner has epoch ${epoch}`,
    };
  const ahead = archived !== null && archived.number > (tail?.number ?? 0) ? archived : null;
  if (ahead !== null || (tail === null && archived !== null)) {
    const found = tail === null ? 'nothing' : `segment ${tail.number}`;
    return {
      kind: 'begin',
      tail: null,
      place: archived ?? NOWHERE,
      lost: `segment ${archived?.number} is archived, and the newest is never removed from Tier-1, which has ${found}: what was not archived is lost`,
    };
  }
  return { kind: 'begin', tail, place: tail ?? NOWHERE, lost: null };
}

const NOWHERE: LogPlace = { number: 0, sequence: 0 };
