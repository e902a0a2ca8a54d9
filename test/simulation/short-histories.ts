import type { Engine } from './engine.ts';

/** The write history of a shard as a new owner takes it up from what it found. */
export interface TakenUp {
  readonly vdisk: number;
  readonly shard: number;
  /** Number of the last batch, as it takes it up. */
  readonly seq: number;
  /** The engines that it goes by. */
  readonly found: readonly Engine[];
  /** Batch that the stale partner is at; null when there is none, or it does not tell. */
  readonly stalePartner: number | null;
}

/** A history that was taken up without acknowledged batches. */
export interface ShortHistory {
  readonly missing: number;
  /** Whether what was found told of it. */
  readonly couldKnow: boolean;
}

const SHARDS_MAX = 8;

/** Knows which batches were acknowledged, and who takes up a write history without them. */
export class ShortHistories {
  /** Number of the last batch that was acknowledged, by vdisk and shard. */
  readonly #acknowledged = new Map<number, number>();

  acknowledged(vdisk: number, shard: number): number {
    return this.#acknowledged.get(vdisk * SHARDS_MAX + shard) ?? 0;
  }

  acknowledge(vdisk: number, shard: number, seq: number): void {
    this.#acknowledged.set(vdisk * SHARDS_MAX + shard, Math.max(this.acknowledged(vdisk, shard), seq));
  }

  /**
   * Null when nothing is missing. Else the owner could have known unless all that it found is one engine that lost its tail
   * unnoticed: what it holds looks whole, its partner, which has everything, does not answer or is one unfinished batch ahead
   * at most, and no owner is left that knows better. An owner that could not know gives the missing numbers to batches of its
   * own; whoever follows it finds them on that engine and misses none, for as long as the engine is not repaired.
   */
  tookUp({ vdisk, shard, seq, found, stalePartner }: TakenUp): ShortHistory | null {
    const [only] = found;
    const unnoticed = found.length === 1 && only?.hasStaleTail === true ? only : null;
    const behind = Math.max(0, this.acknowledged(vdisk, shard) - seq);
    const missing = Math.max(behind, unnoticed?.missingUnnoticed.get(vdisk) ?? 0);
    if (missing === 0) return null;
    const couldKnow = unnoticed === null || (stalePartner !== null && stalePartner > seq + 1);
    if (!couldKnow) unnoticed.missingUnnoticed.set(vdisk, missing);
    return { missing, couldKnow };
  }
}
