import { BATCH_MAX_BLOCKS, type BlockChange, type PendingWrite } from '../batch.ts';
import { clientActivity } from '../copy/client-activity.ts';
import { politeTurns } from '../copy/polite-turns.ts';
import { RepairTurns } from '../copy/repair-turns.ts';
import { readSound } from '../corrupt-blocks.ts';
import { errno, FencedError, VdiskIoError } from '../errors.ts';
import { UNREADABLE } from '../layout/block-layout.ts';
import type { Pair } from '../pair.ts';
import { REPAIR_REST, type RepairState, type SpreadDue } from '../pair-context.ts';
import type { PairMember } from '../pair-member.ts';
import { Frame } from '../resp.ts';
import { addSetMoved } from '../write-history.ts';
import { ALL_MOVED, type Placement } from './placement.ts';

/** Bits of a step, and blocks and bytes of data in it: a client write to one of its blocks waits for it. */
const STEP_MAX_BITS = 2048;
const STEP_MAX_BLOCKS = 256;
const STEP_MAX_BYTES = 1 << 20;
/** While clients are at work: small steps, and a rest of twice the time of each behind it. */
const POLITE_STEP_BLOCKS = 32;
/** So many bits go before any of that: a small vdisk is done sooner than clients would notice. */
const HASTY_BITS = 1024;
/** How long a spread that could not go on waits before it tries again, unless something changes first. */
const RETRY_MS = 500;
/** How often a spread that an operator paused looks whether it may go on, unless something changes first. */
const PAUSE_LOOK_MS = 1_000;

/** Pairs spread at once by this process. Turns of their own: a spread may have to wait for the repair of its survivor. */
const turns = new RepairTurns(8);

export interface PairSpreadOptions {
  readonly pair: Pair;
  readonly pairAt: (shard: number) => Pair;
  readonly placement: Placement;
  /** Blocks of the vdisk, as large as it is now. */
  readonly blocks: () => number;
  /** The spread that etcd asks for, null when it asks for none. */
  readonly due: () => SpreadDue | null;
  /** Puts a write where its blocks are by now. */
  readonly resubmit: (write: PendingWrite) => void;
  readonly completed: (due: SpreadDue, counts: SpreadCounts) => void;
}

export interface SpreadCounts {
  /** Bits gone through by this owner, and blocks of them that hold data. */
  readonly copied: number;
  readonly stored: number;
  readonly ms: number;
}

/**
 * Moves the blocks of a pair that is given up to the pairs where placement without it puts them, step by step, from the
 * member that is left. The blocks of a step are locked from before they are read until the survivor has stored, under our
 * epoch, that they have moved; writes that waited are put where their blocks are then. An owner that dies in the middle of
 * a step leaves blocks that have not moved, whatever the other pair has of them: the next one copies them again.
 */
export class PairSpread {
  readonly #options: PairSpreadOptions;
  #running = false;
  #copied = 0;
  #stored = 0;
  #reported: string | null = null;

  constructor(options: PairSpreadOptions) {
    this.#options = options;
  }

  /** Null while nothing is to be moved. */
  state(): RepairState | null {
    const { pair, placement, due } = this.#options;
    const wanted = due();
    if (!this.#running || wanted === null) return null;
    const { bits: total, shard } = pair.context;
    const { incident, attempt, address } = wanted;
    const done = Math.min(total, placement.movedOf(shard) ?? 0);
    return { incident, attempt, address, total, done, contentSteps: 0 };
  }

  /** Looks whether there is anything to do, and does it in the background. */
  wake(): void {
    if (this.#running || !this.#isWanted()) return;
    this.#running = true;
    void this.#run().finally(() => {
      this.#running = false;
    });
  }

  #isWanted(): boolean {
    const { pair, placement, due } = this.#options;
    const { shard } = pair.context;
    if (pair.closed || placement.isRip(shard)) return false;
    if (placement.movedOf(shard) === null) return true;
    const wanted = due();
    return wanted !== null && !wanted.completed && this.#reported !== nameOf(wanted);
  }

  async #run(): Promise<void> {
    const { pair, due } = this.#options;
    const beganAt = performance.now();
    while (this.#isWanted()) {
      if (due()?.paused !== undefined) {
        await pair.nextChange(PAUSE_LOOK_MS);
        continue;
      }
      const endTurn = await turns.take();
      try {
        await this.#learn();
        await this.#move();
        this.#report(performance.now() - beganAt);
      } catch (error) {
        if (error instanceof FencedError) return pair.context.fenced(error);
        endTurn();
        if (pair.closed) return;
        await pair.nextChange(RETRY_MS);
      } finally {
        endTurn();
      }
    }
  }

  /** An owner that could not ask the survivor when it mounted does so as soon as that is back. */
  async #learn(): Promise<void> {
    const { pair, placement } = this.#options;
    const { shard } = pair.context;
    if (placement.movedOf(shard) !== null) return;
    const { head } = await this.#asking((source) => source.open());
    placement.noteMoved(shard, head.moved ?? 0);
  }

  async #move(): Promise<void> {
    const { pair, placement, due } = this.#options;
    const { shard, settings, layout } = pair.context;
    if (due() === null || placement.movedOf(shard) === ALL_MOVED) return;
    // A survivor that was away may have forgotten the last step.
    await this.#store(placement.movedOf(shard) ?? 0);
    for (;;) {
      const from = placement.movedOf(shard) ?? 0;
      if (from >= pair.context.bits && (await this.#finish())) return;
      const wanted = due();
      if (wanted === null || wanted.paused !== undefined) return;
      const isPolite = this.#copied >= HASTY_BITS && clientActivity.isBusy();
      const { end, stored } = await this.#nextStep(from, isPolite ? POLITE_STEP_BLOCKS : STEP_MAX_BLOCKS);
      await settings.repairBandwidth?.take(stored * layout.blockSizeBytes);
      const endTurn = isPolite ? await politeTurns.take() : null;
      const beganAt = performance.now();
      try {
        await this.#step(from, end);
      } finally {
        const rest = stored > 0 ? (settings.repairRest ?? REPAIR_REST) : 0;
        endTurn?.((performance.now() - beganAt) * rest);
      }
    }
  }

  /** Where the next step ends, and about how many blocks it brings. Blocks that are placed together move together. */
  async #nextStep(from: number, mostBlocks: number): Promise<{ end: number; stored: number }> {
    const { pair, placement, blocks } = this.#options;
    const { layout, bits, shards, shard } = pair.context;
    const most = Math.max(1, Math.min(mostBlocks, Math.floor(STEP_MAX_BYTES / layout.blockSizeBytes)));
    const all: { bit: number; block: number }[] = [];
    for (let bit = from; bit < Math.min(bits, from + STEP_MAX_BITS); bit++)
      for (const block of placement.homeBlocksOfBit(bit, shard, blocks())) all.push({ bit, block });
    const isStored = await pair.stored(all.map(({ block }) => block));
    const dense = all.filter((_, i) => isStored[i] === true);
    const groupOf = (bit: number): number => layout.placedBy(layout.blocksOfBit(bit, shards)[0] ?? 0);
    let end = dense[most]?.bit ?? Math.min(bits, from + STEP_MAX_BITS);
    end = Math.max(end, from + 1);
    while (end < bits && groupOf(end) === groupOf(end - 1)) end++;
    return { end, stored: dense.filter(({ bit }) => bit < end).length };
  }

  async #step(from: number, end: number): Promise<void> {
    const { pair, placement, blocks, resubmit } = this.#options;
    const { shard } = pair.context;
    const moving: number[] = [];
    for (let bit = from; bit < end; bit++) moving.push(...placement.homeBlocksOfBit(bit, shard, blocks()));
    this.#assertTaken(moving);
    const unlock = await pair.lock(moving);
    try {
      const content = await this.#read(moving);
      await this.#put(content);
      const isMoving = new Set(moving);
      await this.#storeSurely(
        () => this.#store(end),
        (block) => isMoving.has(block),
      );
      placement.noteMoved(shard, end);
      const isElsewhere = (block: number): boolean => placement.shardOf(block) !== shard;
      for (const write of pair.takeWaiting(isElsewhere)) resubmit(write);
      this.#copied += end - from;
    } finally {
      unlock();
    }
  }

  /** Before anything is locked: no client waits for a pair that takes nothing now. */
  #assertTaken(blocks: readonly number[]): void {
    const { pair, pairAt, placement } = this.#options;
    const { shard } = pair.context;
    for (const target of new Set(blocks.map((block) => placement.targetOf(block, shard)))) {
      const { kind, reason } = pairAt(target).mode;
      if (kind === 'holding' || kind === 'unavailable') throw new Error(`shard ${target}: ${reason}`);
    }
  }

  /** The content of the blocks, null = zeros. Holes are asked for first: room for their bytes would be room for nothing. */
  async #read(blocks: readonly number[]): Promise<Map<number, Buffer | null>> {
    const content = new Map<number, Buffer | null>(blocks.map((block) => [block, null]));
    if (blocks.length === 0) return content;
    return await this.#asking(async (source) => {
      const session = await source.open();
      const isStored = await session.storedBlocks(blocks);
      const { found, corrupt } = await readSound(
        session,
        blocks.filter((_, i) => isStored[i] === true),
      );
      for (const [block, data] of found) content.set(block, data);
      for (const block of corrupt) content.set(block, UNREADABLE);
      return content;
    });
  }

  async #put(content: ReadonlyMap<number, Buffer | null>): Promise<void> {
    const { pair, pairAt, placement } = this.#options;
    const { shard, layout } = pair.context;
    const byTarget = new Map<number, BlockChange[]>();
    for (const [block, data] of content) {
      const target = placement.targetOf(block, shard);
      const changes = byTarget.get(target);
      if (changes === undefined) byTarget.set(target, [{ block, data }]);
      else changes.push({ block, data });
      if (data !== null) this.#stored++;
    }
    layout.forget?.([...content.keys()]);
    const puts = [...byTarget].map(([target, changes]) => putOn(pairAt(target), changes));
    // Nothing of a step that failed is still under way when its blocks are let go.
    for (const result of await Promise.allSettled(puts)) {
      if (result.status === 'fulfilled') continue;
      layout.forget?.([...content.keys()]);
      throw result.reason;
    }
  }

  /** Stores how far the blocks have moved, between two batches, on the survivor: it is asked by whoever owns the vdisk next. */
  #store(bits: number): Promise<void> {
    return this.#options.pair.exclusive(() => this.#storeNow(bits));
  }

  /**
   * Stores it, however often that takes: a link that broke may have stored it or not, and a write that is let go before
   * that is known might land where the next owner does not look. Writes that wait for too long, or for an engine that is
   * away, fail.
   */
  async #storeSurely(store: () => Promise<void>, isHeld: (block: number) => boolean): Promise<void> {
    const { pair } = this.#options;
    const { vdisk, shard, settings } = pair.context;
    const giveUpAt = performance.now() + settings.holdMaxMs;
    for (;;) {
      try {
        return await store();
      } catch (error) {
        if (error instanceof FencedError || pair.closed) throw error;
      }
      if (pair.mode.kind === 'unavailable' || performance.now() > giveUpAt) {
        const what = `vdisk ${vdisk}, shard ${shard}: the engine that records where the blocks have gone is away`;
        for (const write of pair.takeWaiting(isHeld))
          write.reject(new VdiskIoError('data-unavailable', what, errno.io));
      }
      await pair.nextChange(RETRY_MS);
    }
  }

  async #storeNow(bits: number): Promise<void> {
    const frame = new Frame();
    addSetMoved(frame, this.#options.pair.context.vdisk, bits);
    await this.#asking(async (source) => {
      const { head } = await source.open();
      await source.transact(frame, { ...head, moved: bits });
    });
  }

  /** Between two batches, so that no write to what the vdisk grew by lands here any more. False: it has grown meanwhile. */
  async #finish(): Promise<boolean> {
    const { pair, placement, resubmit } = this.#options;
    const { shard } = pair.context;
    return await pair.exclusive(async () => {
      if ((placement.movedOf(shard) ?? 0) < pair.context.bits) return false;
      await this.#storeSurely(
        () => this.#storeNow(ALL_MOVED),
        () => true,
      );
      placement.noteMoved(shard, ALL_MOVED);
      for (const write of pair.takeWaiting(() => true)) resubmit(write);
      return true;
    });
  }

  /** Asks the survivor; an engine that cannot answer has failed. */
  async #asking<T>(ask: (source: PairMember) => Promise<T>): Promise<T> {
    const { pair } = this.#options;
    const source = pair.readFrom();
    try {
      return await ask(source);
    } catch (error) {
      pair.noteError(source, error);
      throw error;
    }
  }

  #report(ms: number): void {
    const { pair, placement, due, completed } = this.#options;
    const wanted = due();
    if (wanted === null || placement.movedOf(pair.context.shard) !== ALL_MOVED) return;
    this.#reported = nameOf(wanted);
    if (!wanted.completed) completed(wanted, { copied: this.#copied, stored: this.#stored, ms });
  }
}

/** Resolves when every member of the pair that must have them has the blocks. */
async function putOn(pair: Pair, changes: readonly BlockChange[]): Promise<void> {
  // What was given up halfway comes first: else a hole might be looked for before an older content of it lands.
  await pair.exclusive(async () => {});
  const holes = changes.filter(({ data }) => data === null);
  const isStored = await pair.stored(holes.map(({ block }) => block));
  const leftover = holes.filter((_, i) => isStored[i] === true);
  const all = [...changes.filter(({ data }) => data !== null), ...leftover];
  for (let from = 0; from < all.length; from += BATCH_MAX_BLOCKS)
    await pair.bring(all.slice(from, from + BATCH_MAX_BLOCKS));
}

function nameOf({ incident, attempt }: SpreadDue): string {
  return `${incident}/${attempt}`;
}
