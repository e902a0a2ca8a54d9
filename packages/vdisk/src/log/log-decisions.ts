import type { TlogConfig, TlogState } from '@salvor/config-store';
import { RING_SLOTS, type WriteHead } from '../write-history.ts';
import type { WriteLogBegin, WriteLogPlace, WriteLogTail } from './write-log.ts';

/** What an owner that takes a log up has to do first. `reason` is the sentence for the log and the operator. */
export type LogOpening =
  | { readonly kind: 'fresh'; readonly begin: WriteLogBegin; readonly reason: string }
  /** What the engines have beyond these positions is to be added. */
  | {
      readonly kind: 'catch-up';
      readonly begin: WriteLogBegin;
      readonly positions: ReadonlyMap<number, number>;
      readonly reason: string;
    }
  | { readonly kind: 'base'; readonly begin: WriteLogBegin; readonly reason: string };

export interface FoundLog {
  readonly config: Pick<TlogConfig, 'begins'>;
  readonly state: Pick<TlogState, 'status' | 'reason' | 'sequence'> | null;
  readonly tail: WriteLogTail | null;
  /** Why what there was is not all there. */
  readonly lost: string | null;
  readonly place: WriteLogPlace;
  /** Nothing was ever written on any shard; null: not every shard can tell. */
  readonly isUntouched: boolean | null;
}

const NO_BASE: WriteLogBegin = { base: 0, keepsPositions: false };

export function decideLogOpening(found: FoundLog): LogOpening {
  const { config, state, tail, lost, place, isUntouched } = found;
  const base = (reason: string): LogOpening => ({ kind: 'base', begin: NO_BASE, reason });
  if (state === null) return base('etcd does not say how far it goes');
  if (state.status === 'broken') return base(state.reason);
  if (lost !== null) return base(lost);
  const isNew = tail === null || tail.number <= config.begins.number;
  if (isNew) {
    if (state.status === 'whole' && isUntouched === true)
      return {
        kind: 'fresh',
        begin: { base: place.sequence + 1, keepsPositions: false },
        reason: 'nothing was written before it',
      };
    return base('Tier-1 has nothing of it, and the engines have');
  }
  if (tail.base === 0) return base('its last base was not completed');
  // The base was completed, and its owner did not live to say so.
  if (state.status === 'basing' && tail.base !== state.sequence)
    return base('its last base was not completed');
  return {
    kind: 'catch-up',
    begin: { base: tail.base, keepsPositions: true },
    positions: tail.positions,
    reason: `it goes on behind segment ${tail.number}`,
  };
}

export type LogCatchUp =
  | { readonly kind: 'level' }
  | { readonly kind: 'ahead'; readonly reason: string }
  /** Blocks named by these entries of the ring, and by the dirty map. */
  | {
      readonly kind: 'blocks';
      readonly ring: { readonly after: number; readonly upTo: number } | null;
      readonly dirtyMap: boolean;
    }
  | { readonly kind: 'base'; readonly reason: string };

/**
 * What the log lacks of a shard: `position` is how far it is, null where it never heard of the shard; `head` is that of the
 * member that answers reads.
 */
export function decideLogCatchUp(
  position: number | null,
  { seq, fork, ringFloor }: Pick<WriteHead, 'seq' | 'fork' | 'ringFloor'>,
): LogCatchUp {
  const at = position ?? 0;
  if (at > seq)
    return {
      kind: 'ahead',
      reason: `the transaction log has batch ${at}, and no engine has more than batch ${seq}: the engines lost their last writes, or hold old data; bring them back with 'salvor dr replay'`,
    };
  if (at === seq) return { kind: 'level' };
  const upTo = fork ?? seq;
  if (at < upTo && at < ringFloor)
    return {
      kind: 'base',
      reason: `it is at batch ${at}, and the engine remembers none before ${ringFloor}`,
    };
  if (upTo - at > RING_SLOTS)
    return {
      kind: 'base',
      reason: `it lacks ${upTo - at} batches, more than the ${RING_SLOTS} that an engine remembers`,
    };
  return { kind: 'blocks', ring: at < upTo ? { after: at, upTo } : null, dirtyMap: fork !== null };
}
