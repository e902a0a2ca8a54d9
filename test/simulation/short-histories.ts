import type { Engine, ShardData } from './engine.ts';

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

/** A history that was taken up without batches that clients know of. */
export interface ShortHistory {
  readonly missing: number;
  /** Whether what was found told of it. */
  readonly couldKnow: boolean;
}

const SHARDS_MAX = 8;

/** Knows which batches were acknowledged or read, and who takes up a write history without them. */
export class ShortHistories {
  /** Number of the last batch that was acknowledged, or whose blocks were read, by vdisk and shard. */
  readonly #acknowledged = new Map<number, number>();
  /** The lowest number under which a value was sent: of a batch that several owners sent, that of the first. */
  readonly #batches = new Map<number, number>();

  acknowledged(vdisk: number, shard: number): number {
    return this.#acknowledged.get(vdisk * SHARDS_MAX + shard) ?? 0;
  }

  acknowledge(vdisk: number, shard: number, seq: number): void {
    this.#acknowledged.set(vdisk * SHARDS_MAX + shard, Math.max(this.acknowledged(vdisk, shard), seq));
  }

  /** What a block held before the first batch, by vdisk and shard, then by place. */
  readonly #imports = new Map<number, Map<number, number>>();

  imported(vdisk: number, shard: number, block: number, value: number): void {
    const place = vdisk * SHARDS_MAX + shard;
    const blocks = this.#imports.get(place) ?? new Map<number, number>();
    this.#imports.set(place, blocks.set(block, value));
  }

  sent(value: number, seq: number): void {
    this.#batches.set(value, Math.min(this.#batches.get(value) ?? seq, seq));
  }

  /** A write that no client was told the end of is known from here on. */
  read(vdisk: number, shard: number, value: number): void {
    this.acknowledge(vdisk, shard, this.#batches.get(value) ?? 0);
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
    const unbatched = unnoticed === null ? 0 : this.#missingImports(vdisk, shard, unnoticed.shard(vdisk));
    const missing = Math.max(behind, unbatched, unnoticed?.missingUnnoticed.get(vdisk) ?? 0);
    if (missing === 0) return null;
    const couldKnow = unnoticed === null || (stalePartner !== null && stalePartner > seq + 1);
    if (!couldKnow) unnoticed.missingUnnoticed.set(vdisk, missing);
    return { missing, couldKnow };
  }

  /** Blocks that no batch ever touched, and that a blank engine does not hold: the repair that brought them is lost whole. */
  #missingImports(vdisk: number, shard: number, { blank, blocks }: ShardData): number {
    const imports = this.#imports.get(vdisk * SHARDS_MAX + shard) ?? new Map<number, number>();
    return blank ? [...imports].filter(([block, value]) => blocks[block] !== value).length : 0;
  }
}
