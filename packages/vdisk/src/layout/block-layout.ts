import type { Frame, RespValue } from '../resp.ts';

/**
 * How the blocks of one vdisk lie on the engines: which shard a block is placed on, and by which commands it is read,
 * stored and listed there. Blocks are numbered from 0; an all-zero block is stored as nothing ("a hole").
 *
 * Everything above it, the write history, dirty maps, repairs, speaks of block numbers only. Every layout passes
 * `test/layout/conformance.ts`.
 */
export interface BlockLayout {
  readonly blockSizeBytes: number;
  /** Names of the keys that hold blocks of the vdisk on every engine. */
  readonly keys: readonly string[];

  /** The number by which the block is placed on a shard; blocks with the same number lie on the same one. */
  placedBy(block: number): number;
  /** The block's bit in the dirty map of its shard. Without `rip` servers no two blocks of a shard share one. */
  bitOf(block: number, shards: number): number;
  /** Blocks whose bit it is, on any shard, in ascending order; they may lie beyond the end of the vdisk. */
  blocksOfBit(bit: number, shards: number): number[];
  /** Bits that `blocks` blocks need. */
  bitCount(blocks: number, shards: number): number;

  /** Adds the commands that read blocks; their replies go to {@link found}. */
  addRead(frame: Frame, blocks: readonly number[]): void;
  /**
   * The content of the blocks, in their order; null = a hole.
   *
   * @throws EngineError `corrupt` when the layout keeps checksums and a block does not match
   */
  found(replies: readonly RespValue[], blocks: readonly number[]): (Buffer | null)[];

  /** Adds the commands that store blocks, and remove those that are null. At least one block. */
  addStore(frame: Frame, blocks: ReadonlyMap<number, Buffer | null>): void;

  /** Adds the commands that ask whether blocks are stored; their replies go to {@link areStored}. */
  addAskStored(frame: Frame, blocks: readonly number[]): void;
  areStored(replies: readonly RespValue[], blocks: readonly number[]): boolean[];

  /** Every block that an engine stores, in any order; null when there are more than `most`. */
  listStored(ask: AskEngine, most: number): Promise<number[] | null>;
}

/** Sends reading commands to an engine; error replies reject. */
export type AskEngine = (frame: Frame) => Promise<readonly RespValue[]>;
