import { BATCH_MAX_BLOCKS, BATCH_MAX_BYTES, type BlockChange } from './batch.ts';
import type { Pair } from './pair.ts';
import type { Placement } from './spread/placement.ts';
import type { Vdisk } from './vdisk.ts';

/** Blocks that wait as one in the stream of a pair: small enough that batches are filled up with them. */
const RUN_BLOCKS = 64;
/** Bytes of one call. */
const STEP_BYTES = 8 << 20;

/** A block as it is to be; null: zeros. */
export interface WholeBlock {
  readonly block: number;
  readonly data: Buffer | null;
}

export interface StoredBlocks {
  readonly runs: readonly { readonly first: number; readonly count: number }[];
  /** The first block that the answer does not cover. */
  readonly next: number;
}

/**
 * A mounted vdisk for who writes and reads very many whole blocks: without a request and a promise for each. Errors are
 * VdiskIoError.
 */
export class WholeBlocks {
  readonly #device: Vdisk;
  readonly #pairs: readonly Pair[];
  readonly #placement: Placement;

  constructor(device: Vdisk, pairs: readonly Pair[], placement: Placement) {
    this.#device = device;
    this.#pairs = pairs;
    this.#placement = placement;
  }

  get blocks(): number {
    const { sizeBytes, blockSizeBytes } = this.#device.geometry;
    return Math.floor(sizeBytes / blockSizeBytes);
  }

  get blockSize(): number {
    return this.#device.geometry.blockSizeBytes;
  }

  /** Blocks that one call does best with: a full batch of each pair. */
  get stepBlocks(): number {
    const batch = Math.min(BATCH_MAX_BLOCKS, Math.floor(BATCH_MAX_BYTES / this.blockSize));
    const pairs = this.#pairs.filter(({ context }) => this.#placement.holdsBlocks(context.shard)).length;
    return Math.max(1, Math.min(batch * pairs, Math.floor(STEP_BYTES / this.blockSize)));
  }

  /**
   * Resolves when all of it is on every member that must have it. Each block is named once; content has the size of a block,
   * and must not change until then.
   */
  async write(blocks: readonly WholeBlock[]): Promise<void> {
    const writes: Promise<void>[] = [];
    for (const [pair, changes] of this.#byPair(blocks, ({ block }) => block))
      for (let at = 0; at < changes.length; at += RUN_BLOCKS)
        writes.push(pair.write(changes.slice(at, at + RUN_BLOCKS) satisfies BlockChange[]));
    // All of them: nothing is under way any more when a failure is told.
    for (const result of await Promise.allSettled(writes))
      if (result.status === 'rejected') throw result.reason;
  }

  /** The content of blocks, in their order; null: zeros. */
  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const content = new Array<Buffer | null>(blocks.length).fill(null);
    const places = blocks.map((block, place) => ({ block, place }));
    const reads = [...this.#byPair(places, ({ block }) => block)].map(async ([pair, part]) => {
      const found = await this.#readOf(
        pair,
        part.map(({ block }) => block),
      );
      for (const [i, { place }] of part.entries()) content[place] = found[i] ?? null;
    });
    for (const result of await Promise.allSettled(reads))
      if (result.status === 'rejected') throw result.reason;
    // As of any read: answered only by who still owns the vdisk.
    await this.#device.flush();
    return content;
  }

  /** Which of the blocks from `first` to before `end` are stored; of a prefix at least, but never of nothing. */
  async stored(first: number, end: number): Promise<StoredBlocks> {
    const size = this.blockSize;
    const extents = await this.#device.extents(first * size, (end - first) * size);
    const runs: { first: number; count: number }[] = [];
    let next = first;
    for (const { lengthBytes, allocated } of extents) {
      const count = Math.ceil(lengthBytes / size);
      if (allocated) runs.push({ first: next, count });
      next += count;
    }
    return { runs, next };
  }

  /** Whether each of the blocks is stored. */
  async areStored(blocks: readonly number[]): Promise<boolean[]> {
    const stored = new Array<boolean>(blocks.length).fill(false);
    const places = blocks.map((block, place) => ({ block, place }));
    const asked = [...this.#byPair(places, ({ block }) => block)].map(async ([pair, part]) => {
      const found = await this.#storedOf(
        pair,
        part.map(({ block }) => block),
      );
      for (const [i, { place }] of part.entries()) stored[place] = found[i] === true;
    });
    for (const result of await Promise.allSettled(asked))
      if (result.status === 'rejected') throw result.reason;
    // As of any read: answered only by who still owns the vdisk.
    await this.#device.flush();
    return stored;
  }

  async #storedOf(pair: Pair, blocks: readonly number[]): Promise<boolean[]> {
    try {
      return await pair.stored(blocks);
    } catch (error) {
      if (blocks.every((block) => this.#pairOf(block) === pair)) throw error;
      return (await Promise.all(blocks.map((block) => this.#pairOf(block).stored([block])))).flat();
    }
  }

  /** A read of a pair that was given up meanwhile is repeated where the blocks are now. */
  async #readOf(pair: Pair, blocks: readonly number[]): Promise<(Buffer | null)[]> {
    try {
      return await pair.read(blocks);
    } catch (error) {
      if (blocks.every((block) => this.#pairOf(block) === pair)) throw error;
      return (await Promise.all(blocks.map((block) => this.#pairOf(block).read([block])))).flat();
    }
  }

  #byPair<T>(items: readonly T[], blockOf: (item: T) => number): Map<Pair, T[]> {
    const parts = new Map<Pair, T[]>();
    for (const item of items) {
      const pair = this.#pairOf(blockOf(item));
      const part = parts.get(pair);
      if (part === undefined) parts.set(pair, [item]);
      else part.push(item);
    }
    return parts;
  }

  #pairOf(block: number): Pair {
    const pair = this.#pairs[this.#placement.shardOf(block)];
    if (pair === undefined || block < 0 || block >= this.blocks)
      throw new RangeError(`block ${block} of ${this.blocks}`);
    return pair;
  }
}
