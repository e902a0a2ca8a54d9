import type { PendingWrite } from '../batch.ts';
import type { ShardRecords } from '../etcd-view.ts';
import type { Pair } from '../pair.ts';
import type { RepairOutcome, RepairState, SpreadDue } from '../pair-context.ts';
import { PairSpread } from './pair-spread.ts';
import { ALL_MOVED, type Placement } from './placement.ts';

export interface VdiskSpreadsOptions {
  readonly vdisk: string;
  readonly pairs: readonly Pair[];
  readonly placement: Placement;
  readonly blocks: () => number;
  readonly resubmit: (write: PendingWrite) => void;
  readonly completed: (outcome: RepairOutcome) => void;
}

/** The pairs of a mounted vdisk whose blocks are being spread over the others, as etcd and the engines tell. */
export class VdiskSpreads {
  readonly #options: VdiskSpreadsOptions;
  readonly #spreads: readonly PairSpread[];
  #due: readonly (SpreadDue | null)[] = [];
  #isMounted = false;

  constructor(options: VdiskSpreadsOptions) {
    this.#options = options;
    const { pairs, placement, blocks, resubmit } = options;
    this.#spreads = pairs.map(
      (pair, shard) =>
        new PairSpread({
          ...{ pair, placement, blocks, resubmit },
          pairAt: (other) => pairs[other] ?? missing(other),
          due: () => this.#due[shard] ?? null,
          completed: (due, counts) => this.#completed(shard, due, counts),
        }),
    );
  }

  /** How far the spreads are that have begun and not ended. */
  underWay(): RepairState[] {
    return this.#spreads.flatMap((spread) => spread.state() ?? []);
  }

  /** Takes over what etcd says now. */
  follow({ primary, slave }: Pick<ShardRecords, 'primary' | 'slave'>): void {
    this.#due = primary.map((record, shard) => record.spread ?? slave?.[shard]?.spread ?? null);
    const { pairs, placement } = this.#options;
    for (const [shard, pair] of pairs.entries()) {
      if (!isGivenUp(pair) || placement.isRip(shard) || placement.movedOf(shard) !== undefined) continue;
      // Known before anything is repaired: from now on other pairs may hold its blocks. At a mount an earlier owner may have
      // moved some; one that was the owner all along would know.
      placement.noteMoved(shard, this.#isMounted ? 0 : null);
    }
    if (this.#isMounted) this.#wake();
  }

  /** The members have told where they are, and how far an earlier owner came; those that are away are asked later. */
  mounted(): void {
    this.#isMounted = true;
    const { pairs, placement } = this.#options;
    for (const [shard, { members }] of pairs.entries()) {
      if (placement.isRip(shard)) continue;
      // Whatever etcd says: what has moved is nowhere else.
      for (const { session } of members)
        if (session?.head.moved !== undefined) placement.noteMoved(shard, session.head.moved);
      if (placement.movedOf(shard) === undefined) continue;
      const survivor = members.find(({ session, record }) => record.status === 'online' && session !== null);
      if (survivor?.session != null) placement.noteMoved(shard, survivor.session.head.moved ?? 0);
    }
    this.#wake();
  }

  /** How far the spread of a shard's blocks is; null when none is under way. */
  state(shard: number): RepairState | null {
    const { pairs, placement } = this.#options;
    const due = this.#due[shard];
    const moved = placement.movedOf(shard);
    if (due == null || moved === undefined || moved === ALL_MOVED) return null;
    const total = pairs[shard]?.context.bits ?? 0;
    const { incident, attempt, address } = due;
    return { incident, attempt, address, total, done: Math.min(moved ?? 0, total), contentSteps: 0 };
  }

  #wake(): void {
    for (const spread of this.#spreads) spread.wake();
  }

  #completed(
    shard: number,
    due: SpreadDue,
    { copied, stored, ms }: { copied: number; stored: number; ms: number },
  ): void {
    const { vdisk, completed } = this.#options;
    completed({
      ...{ vdisk, cluster: due.cluster, shard, address: due.address, incident: due.incident },
      ...{ attempt: due.attempt, kind: 'repair-final-outage' },
      ...{ dirtyBlocks: copied, copiedBlocks: copied, storedBlocks: stored, repairMs: ms },
      reason: 'the blocks of the pair are on the other pairs',
    });
  }
}

/** A member is lost for good without another engine in its place, or gone already while the other is still shown. */
function isGivenUp({ members }: Pair): boolean {
  return members.some(({ record }) => record.isSpread === true);
}

function missing(shard: number): never {
  throw new RangeError(`there is no shard ${shard}`);
}
