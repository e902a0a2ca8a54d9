import type { WriteHead } from '../../packages/vdisk/src/write-history.ts';
import { newProcess, type Process } from './scheduler.ts';
import type { Call, Session } from './session.ts';
import type { World } from './world.ts';

/** Batches that an engine remembers here: few, so that rings are too short now and then. */
export const RING_SLOTS = 8;

/** What an engine holds of one shard of a vdisk. Never changed, only replaced, so that the past can be put back. */
export interface ShardData extends WriteHead {
  readonly blank: boolean;
  readonly epoch: string | null;
  /** By slot: the number of a batch, and the blocks that it touched, as bits. */
  readonly ringSeqs: readonly number[];
  readonly ringMasks: readonly number[];
  /** Blocks that the partner lacks, as bits. */
  readonly dirty: number;
  readonly guard: string | null;
  /** By place in the shard; 0 is a block that is not stored. */
  readonly blocks: readonly number[];
}

const EMPTY_RING: readonly number[] = new Array<number>(RING_SLOTS).fill(0);

/** Transactions that a crash may take back. */
const UNDO_MAX = 64;

/** A storage engine: transactions that happen whole or not at all, and a memory that a crash may cut short. */
export class Engine {
  readonly address: string;
  readonly process: Process;
  identity: string | null = null;
  /** By vdisk. */
  shards: (ShardData | undefined)[] = [];
  /** How often the epoch key of a vdisk was set: transactions that were armed before are aborted. By vdisk. */
  readonly touches: number[] = [];
  loadingUntil = 0;
  /** Writes are not on disk at once: a crash may lose the last of them. */
  isLazy = false;
  readonly sessions = new Set<Session>();
  readonly calls = new Set<Call>();
  /** All values that were ever stored here, and the highest epoch raised here, whatever was lost since: for the checks. */
  readonly seen = new Set<number>();
  readonly highestEpoch: number[] = [];
  /** It lost writes that nobody has repaired yet: for the checks. */
  isDamaged = false;
  damagedAt = 0;
  /** When a repair, or who knew where it must be, last found everything of a vdisk here. By vdisk: for the checks. */
  readonly wholeAt: number[] = [];
  /** It lost its last writes, looks as if nothing had happened, and was not repaired since: for the checks. */
  hasStaleTail = false;
  /** How many acknowledged batches owners took up its history without, who could not know, while it has that tail. By vdisk. */
  readonly missingUnnoticed = new Map<number, number>();
  readonly #world: World;
  #undo: (() => void)[] = [];

  constructor(world: World, address: string) {
    this.#world = world;
    this.address = address;
    this.process = newProcess(`engine ${address}`);
  }

  shard(vdisk: number): ShardData {
    return this.shards[vdisk] ?? this.#world.emptyShard;
  }

  get isEmpty(): boolean {
    return this.identity === null && this.shards.every((shard) => shard === undefined);
  }

  setIdentity(identity: string): void {
    const before = this.identity;
    this.identity = identity;
    this.#remember(() => {
      this.identity = before;
    });
  }

  /** Sets the epoch to what it is: what earlier links have armed is aborted. */
  bar(vdisk: number): void {
    this.touches[vdisk] = (this.touches[vdisk] ?? 0) + 1;
  }

  setEpoch(vdisk: number, epoch: string): void {
    this.bar(vdisk);
    this.highestEpoch[vdisk] = Math.max(this.highestEpoch[vdisk] ?? 0, Number(epoch));
    this.#put(vdisk, { ...this.shard(vdisk), epoch });
  }

  /** Stores what a transaction under `epoch` changes. */
  store(vdisk: number, epoch: string, change: Partial<ShardData>): void {
    if (Number(epoch) < (this.highestEpoch[vdisk] ?? 0))
      this.#world.violated(
        5,
        `an owner of epoch ${epoch} wrote vdisk ${vdisk} on ${this.address}, where epoch ${this.highestEpoch[vdisk]} had been raised`,
      );
    for (const value of change.blocks ?? []) if (value !== 0) this.seen.add(value);
    this.#put(vdisk, { ...this.shard(vdisk), ...change });
  }

  crash(): void {
    const { process } = this;
    process.up = false;
    process.life++;
    process.pausedUntil = 0;
    for (const session of [...this.sessions]) session.breakOff('unreachable');
    for (const call of [...this.calls]) call.fail('unreachable');
  }

  start(): void {
    this.process.up = true;
    this.#undo = [];
  }

  /** Forgets everything. */
  wipe(): void {
    this.identity = null;
    this.shards = [];
    this.#undo = [];
    this.#hasItsTail();
    this.damage();
  }

  damage(): void {
    this.isDamaged = true;
    this.damagedAt = this.#world.scheduler.now;
  }

  /** Everything of the vdisk is here now. */
  isWhole(vdisk: number, at = this.#world.scheduler.now): void {
    this.wholeAt[vdisk] = at;
  }

  isRepaired(): void {
    this.isDamaged = false;
    this.#hasItsTail();
  }

  #hasItsTail(): void {
    this.hasStaleTail = false;
    this.missingUnnoticed.clear();
  }

  /** Takes back the last transactions, in whole; how many it took. */
  loseTail(most: number): number {
    let lost = 0;
    for (; lost < most; lost++) {
      const undo = this.#undo.pop();
      if (undo === undefined) break;
      undo();
    }
    if (lost > 0) {
      this.hasStaleTail = true;
      this.damage();
    }
    return lost;
  }

  #put(vdisk: number, data: ShardData): void {
    const before = this.shards[vdisk];
    this.shards[vdisk] = data;
    this.#remember(() => {
      this.shards[vdisk] = before;
    });
  }

  #remember(undo: () => void): void {
    if (!this.isLazy) return;
    this.#undo.push(undo);
    if (this.#undo.length > UNDO_MAX) this.#undo.shift();
  }
}

export function emptyShard(blocks: number): ShardData {
  return {
    blank: true,
    epoch: null,
    seq: 0,
    fork: null,
    ringFloor: 0,
    gapFloor: 0,
    ringSeqs: EMPTY_RING,
    ringMasks: EMPTY_RING,
    dirty: 0,
    guard: null,
    blocks: new Array<number>(blocks).fill(0),
  };
}

/** The head as a link reads it. */
export function headOf({ blank, seq, fork, ringFloor, gapFloor }: ShardData): WriteHead {
  return { ...(blank ? { blank: true } : {}), seq, fork, ringFloor, gapFloor };
}

/** The ring after batch `seq`, which touched the blocks of `mask`. */
export function withRingEntry(
  shard: ShardData,
  seq: number,
  mask: number,
): Pick<ShardData, 'ringSeqs' | 'ringMasks'> {
  const slot = seq % RING_SLOTS;
  return { ringSeqs: shard.ringSeqs.with(slot, seq), ringMasks: shard.ringMasks.with(slot, mask) };
}

/** The blocks that the batches `after` + 1 to `upTo` touched; null when an entry is missing or was overwritten. */
export function readRing(shard: ShardData, after: number, upTo: number): number | null {
  let mask = 0;
  for (let seq = after + 1; seq <= upTo; seq++) {
    const slot = seq % RING_SLOTS;
    if (shard.ringSeqs[slot] !== seq) return null;
    mask |= shard.ringMasks[slot] ?? 0;
  }
  return mask;
}
