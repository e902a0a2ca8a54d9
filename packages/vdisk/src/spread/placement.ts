import { errno, VdiskIoError } from '../errors.ts';
import type { BlockLayout } from '../layout/block-layout.ts';
import { placeBlock } from '../sharding.ts';

/** Every block of a shard has gone, those too that the vdisk may yet grow by: above every bit that can occur. */
export const ALL_MOVED: number = 2 ** 48;

/**
 * Which pair holds a block now: 0-Disk's placement, which skips `rip` shards, and for a pair that is being given up, which of
 * its blocks have gone where placement without it puts them. They go in the order of their bits, so one number per such
 * pair is the whole map of what has moved.
 */
export class Placement {
  readonly #vdisk: string;
  readonly #layout: BlockLayout;
  readonly #shards: number;
  #rip: readonly boolean[] = [];
  /** By shard: blocks whose bit is below have moved; null while that is not known. */
  readonly #moved = new Map<number, number | null>();
  readonly #isUsable = (shard: number): boolean => this.#rip[shard] !== true;

  constructor(vdisk: string, layout: BlockLayout, shards: number) {
    this.#vdisk = vdisk;
    this.#layout = layout;
    this.#shards = shards;
  }

  /** Takes over which shards are gone for good. */
  setRip(rip: readonly boolean[]): void {
    this.#rip = rip;
  }

  isRip(shard: number): boolean {
    return this.#rip[shard] === true;
  }

  /** Up to which bit the blocks of a shard have moved; undefined when it is not being given up, null when nobody knows. */
  movedOf(shard: number): number | null | undefined {
    return this.#moved.get(shard);
  }

  /** What has moved never comes back: what is known of it only grows. */
  noteMoved(shard: number, bits: number | null): void {
    const known = this.#moved.get(shard);
    if (bits === null && known !== undefined) return;
    this.#moved.set(shard, bits === null ? null : Math.max(known ?? 0, bits));
  }

  /** Whether blocks may be found on the shard now. */
  holdsBlocks(shard: number): boolean {
    return !this.isRip(shard) && this.#moved.get(shard) !== ALL_MOVED;
  }

  /**
   * The shard that holds a block.
   *
   * @throws VdiskIoError while it is not known whether the block has moved
   */
  shardOf(block: number): number {
    const home = this.#homeOf(block);
    if (this.#moved.size === 0) return home;
    const moved = this.#moved.get(home);
    if (moved === undefined) return home;
    if (moved === null) {
      const why =
        'its blocks are being spread over the other pairs, and the engine that knows which have gone is away';
      throw new VdiskIoError('data-unavailable', `vdisk ${this.#vdisk}, shard ${home}: ${why}`, errno.io);
    }
    return this.#layout.bitOf(block, this.#shards) < moved ? this.targetOf(block, home) : home;
  }

  /** Where a block of `home` belongs once that shard is given up. */
  targetOf(block: number, home: number): number {
    return placeBlock(
      this.#layout.placedBy(block),
      this.#shards,
      (shard) => shard !== home && this.#isUsable(shard),
    );
  }

  /** Whether the block is on the shard, or may be: while it is moved it is on two. */
  mayHold(shard: number, block: number): boolean {
    const home = this.#homeOf(block);
    return home === shard || (this.#moved.has(home) && this.targetOf(block, home) === shard);
  }

  /** The blocks below `end` with this bit that are placed on the shard while it is not given up. */
  homeBlocksOfBit(bit: number, shard: number, end: number): number[] {
    return this.#layout
      .blocksOfBit(bit, this.#shards)
      .filter((block) => block < end && this.#homeOf(block) === shard);
  }

  /** The blocks below `end` with this bit that the shard may hold. */
  blocksOfBit(bit: number, shard: number, end: number): number[] {
    return this.#layout
      .blocksOfBit(bit, this.#shards)
      .filter((block) => block < end && this.mayHold(shard, block));
  }

  #homeOf(block: number): number {
    return placeBlock(this.#layout.placedBy(block), this.#shards, this.#isUsable);
  }
}
