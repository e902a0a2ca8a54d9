import { clientActivity } from './copy/client-activity.ts';
import type { CopyJobHandle } from './copy/copier.ts';
import type { CopyHow } from './copy/copy-messages.ts';
import { politeTurns } from './copy/polite-turns.ts';
import { bitsIn, MAP_CHUNK_BYTES } from './dirty-map.ts';
import { dirtyKey } from './engine-keys.ts';
import type { Pair } from './pair.ts';
import { REPAIR_REST } from './pair-context.ts';
import type { PairMember } from './pair-member.ts';
import { Frame } from './resp.ts';

/** Blocks and bytes of a step: a client write to one of them waits for the copy of at most so much. */
const STEP_MAX_BLOCKS = 256;
const STEP_MAX_BYTES = 1 << 20;
/** Steps under way at once, so that the engines are never idle between them. */
const STEPS_IN_FLIGHT = 4;
/**
 * While clients are at work: one small step at a time, and a rest behind it. An engine carries out one command at a time, so a
 * client waits for whole steps; and where cores are few it waits for the copier itself.
 */
const POLITE_STEP_BLOCKS = 32;
/** So many blocks go before any of that: a short outage is over sooner than clients would notice the copy. */
const HASTY_BLOCKS = 1024;
/** A copy that rests looks so often whether it is still wanted, beside every change of its pair. */
const PAUSE_LOOK_MS = 1_000;
/** A step of which less than one block in so many was stored was cheap: the next may be a large one, at once. */
const SPARSE_BELOW = 8;

export interface PairCopyOptions {
  readonly pair: Pair;
  readonly job: CopyJobHandle;
  readonly source: PairMember;
  readonly how: CopyHow;
  readonly preparation: string;
  /** Whether the copy is to rest until the pair changes. */
  readonly isPaused: () => boolean;
  /** Called before the blocks of a step that failed are let go. */
  readonly abandon: () => void;
}

/**
 * Has the worker copy every block that the survivor's dirty map marks, step by step. The blocks of a step are locked from
 * before they are read until the batch that clears their bits is on both members, or the preparation is abandoned.
 */
export class PairCopy {
  readonly #options: PairCopyOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown = null;
  #copied = 0;
  #isSparse = false;
  #stored = 0;

  constructor(options: PairCopyOptions) {
    this.#options = options;
  }

  /** Bits gone through so far. */
  get copied(): number {
    return this.#copied;
  }

  /** Ends the copy: steps under way fail, and {@link run} rejects once all of them have ended. */
  stop(why: string): void {
    this.#fail(new Error(`the copy was stopped: ${why}`));
  }

  /** Resolves with the number of bits gone through and of blocks stored on the target. Rejects with the first failure. */
  async run(): Promise<{ copied: number; stored: number }> {
    const { pair } = this.#options;
    const bytes = Math.ceil(pair.context.bits / 8);
    try {
      for (let at = 0; at < bytes && this.#failure === null; at += MAP_CHUNK_BYTES)
        await this.#copyChunk(await this.#marked(at));
    } catch (error) {
      this.#fail(error);
    }
    await Promise.allSettled(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
    return { copied: this.#copied, stored: this.#stored };
  }

  async #marked(at: number): Promise<number[]> {
    const { pair, source } = this.#options;
    const session = await source.open();
    const range = new Frame().command('GETRANGE', dirtyKey(pair.context.vdisk), at, at + MAP_CHUNK_BYTES - 1);
    const [chunk] = await session.request(range);
    return Buffer.isBuffer(chunk) ? [...bitsIn(chunk, at)] : [];
  }

  async #copyChunk(bits: readonly number[]): Promise<void> {
    const { layout, settings } = this.#options.pair.context;
    const { blockSizeBytes } = layout;
    const bandwidth = settings.repairBandwidth;
    const most = Math.max(1, Math.min(STEP_MAX_BLOCKS, Math.floor(STEP_MAX_BYTES / blockSizeBytes)));
    for (let i = 0; i < bits.length && this.#failure === null; ) {
      await this.#rest();
      if (this.#failure !== null) return;
      const isPolite = this.#copied >= HASTY_BLOCKS && clientActivity.isBusy();
      const count = isPolite && !this.#isSparse ? Math.min(most, POLITE_STEP_BLOCKS) : most;
      await bandwidth?.take(count * blockSizeBytes);
      if (isPolite) await this.#stepPolitely(bits.slice(i, i + count), settings.repairRest ?? REPAIR_REST);
      else {
        this.#begin(bits.slice(i, i + count));
        if (this.#inFlight.size >= STEPS_IN_FLIGHT) await Promise.race(this.#inFlight);
      }
      i += count;
    }
  }

  #begin(bits: readonly number[]): void {
    const step = this.#step(bits)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#inFlight.delete(step));
    this.#inFlight.add(step);
  }

  async #stepPolitely(bits: readonly number[], rest: number): Promise<void> {
    await Promise.all(this.#inFlight);
    const endTurn = await politeTurns.take();
    const [beganAt, storedBefore] = [performance.now(), this.#stored];
    if (this.#failure === null) {
      this.#begin(bits);
      await Promise.all(this.#inFlight);
    }
    this.#isSparse = (this.#stored - storedBefore) * SPARSE_BELOW < bits.length;
    endTurn(this.#isSparse ? 0 : (performance.now() - beganAt) * rest);
  }

  /** Writes go to both members meanwhile: nothing is missed while it rests. */
  async #rest(): Promise<void> {
    const { isPaused, pair } = this.#options;
    while (this.#failure === null && isPaused()) await pair.nextChange(PAUSE_LOOK_MS);
  }

  async #step(bits: readonly number[]): Promise<void> {
    const { pair, job, how, preparation } = this.#options;
    const blocks = bits.flatMap((bit) => pair.context.blocksOfBit(bit));
    const unlock = await pair.lock(blocks);
    try {
      if (this.#failure !== null) return;
      const { stored } = await job.copy(blocks, how);
      await pair.copied(bits, blocks, preparation);
      this.#copied += bits.length;
      this.#stored += stored;
    } catch (error) {
      this.#fail(error);
    } finally {
      unlock();
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#options.abandon();
    // Steps under way end now; whatever of them still reaches the target finds its guard changed, or marked blocks.
    this.#options.job.close();
  }
}
