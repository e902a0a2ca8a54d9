import type { Bandwidth } from '../copy/bandwidth.ts';
import type { Pair } from '../pair.ts';
import type { MemberName } from '../pair-mode.ts';
import { type Mismatch, scrubPair } from './pair-scrub.ts';

/** Mismatches that are named in a result; all are counted. */
const NAMED_MISMATCHES_MAX = 100;

/** How far a scrub has come; plain data, from which another process goes on. */
export interface ScrubState {
  readonly shard: number;
  readonly bit: number;
  readonly blocks: number;
  readonly mismatches: number;
  readonly repaired: number;
  /** The first of them. */
  readonly named: readonly Mismatch[];
}

export const SCRUB_BEGIN: ScrubState = { shard: 0, bit: 0, blocks: 0, mismatches: 0, repaired: 0, named: [] };

export interface ScrubOptions {
  readonly repair: boolean;
  readonly prefer: MemberName | null;
  readonly bandwidth: Bandwidth;
  readonly signal: AbortSignal;
  /** Called behind each step with what is to be kept, and whether a mismatch was found in it. */
  onProgress(state: ScrubState, total: number, isNew: boolean): Promise<void>;
}

/** Scrubs the shards of a vdisk one after another, from `state` on. Rejects when it cannot go on now. */
export async function scrubVdisk(
  pairs: readonly Pair[],
  from: ScrubState,
  options: ScrubOptions,
): Promise<ScrubState> {
  let state = from;
  const total = pairs.reduce((sum, { context }) => sum + context.bits, 0);
  for (const pair of pairs) {
    const { shard } = pair.context;
    if (shard < state.shard) continue;
    if (shard > state.shard) state = { ...state, shard, bit: 0 };
    await scrubPair(pair, {
      ...options,
      fromBit: state.bit,
      onStep: async ({ nextBit, blocks, mismatches }) => {
        const repaired = mismatches.filter(({ repairedFrom }) => repairedFrom !== null).length;
        state = {
          shard,
          bit: nextBit,
          blocks: state.blocks + blocks,
          mismatches: state.mismatches + mismatches.length,
          repaired: state.repaired + repaired,
          named: [...state.named, ...mismatches].slice(0, NAMED_MISMATCHES_MAX),
        };
        await options.onProgress(state, total, mismatches.length > 0);
      },
    });
  }
  return state;
}
