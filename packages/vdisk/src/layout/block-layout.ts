import type { ReadPart } from '../read-part.ts';
import type { Frame, RespError, RespValue } from '../resp.ts';
import type { LayoutSpec } from './layout-spec.ts';

/**
 * How the blocks of one vdisk lie on the engines: which shard a block is placed on, and by which commands it is read,
 * stored and listed there. Blocks are numbered from 0; an all-zero block is stored as nothing ("a hole").
 *
 * Everything above it, the write history, dirty maps, repairs, speaks of block numbers only. Every layout passes
 * `test/layout/conformance.ts`.
 */
export interface BlockLayout {
  /** From which the same layout can be made in another thread. */
  readonly spec: LayoutSpec;
  readonly blockSizeBytes: number;

  /** The number by which the block is placed on a shard; blocks with the same number lie on the same one. */
  placedBy(block: number): number;
  /** The block's bit in the dirty map of its shard. Without `rip` servers no two blocks of a shard share one. */
  bitOf(block: number, shards: number): number;
  /** Blocks whose bit it is, on any shard, in ascending order; they may lie beyond the end of the vdisk. */
  blocksOfBit(bit: number, shards: number): number[];
  /** Bits that `blocks` blocks need. */
  bitCount(blocks: number, shards: number): number;

  /** Adds the commands that read the blocks of all parts, in order. Who takes their replies puts every block in its place. */
  addRead(frame: Frame, parts: readonly ReadPart[]): BlockPlacer;

  /**
   * Adds the commands that store blocks, and remove those that are null. At least one block. With `isCopy` for an engine
   * that may lack what its partner was sent before.
   */
  addStore(frame: Frame, blocks: ReadonlyMap<number, Buffer | null>, isCopy?: boolean): void;

  /** What was remembered of the blocks was so of another engine: they are stored on a new one from now on. */
  forget?(blocks: readonly number[]): void;

  /** Adds the commands that ask whether blocks are stored; their replies go to {@link areStored}. */
  addAskStored(frame: Frame, blocks: readonly number[]): void;
  areStored(replies: readonly RespValue[], blocks: readonly number[]): boolean[];

  /**
   * Every block that an engine stores, in any order; null when there are more than `most`, or when finding out is more
   * work than a listing is worth. `bits` is how many bits the blocks of the vdisk need.
   */
  listStored(ask: AskEngine, most: number, bits: number): Promise<number[] | null>;
  /**
   * A page of some `count` blocks that an engine stores. The first page has cursor {@link SCAN_START}, and the last one gives
   * it back. What is stored throughout the scan is found, perhaps more than once.
   */
  scanStored(ask: AskEngine, cursor: string, count: number, bits: number): Promise<ScanPage>;
  /** How much an engine stores, from a bounded look. */
  census(ask: AskEngine, bits: number): Promise<LayoutCensus>;
}

export const SCAN_START = '0';

export interface ScanPage {
  readonly cursor: string;
  readonly blocks: readonly number[];
}

export interface LayoutCensus {
  readonly blocks: number;
  /** False when `blocks` was estimated from a part. */
  readonly exact: boolean;
  /** How many keys hold blocks, and some of them. */
  readonly keyCount: number;
  readonly someKeys: readonly string[];
  /** Bytes of keys that hold no blocks. */
  readonly besidesBytes: number;
}

/**
 * Stored in place of a block that its only copy does not hold intact: a layout with checksums writes something that reads
 * as corrupt too. The others never meet it.
 */
export const UNREADABLE: Buffer = Buffer.alloc(0);

/** Sends reading commands to an engine; error replies reject. */
export type AskEngine = (frame: Frame) => Promise<readonly RespValue[]>;

/**
 * Takes the replies to the reading commands of a layout. Error replies do not come here.
 */
export interface BlockPlacer {
  bulk(length: number): Buffer;
  readonly at: number;
  scalar(value: number | string | RespError | null): void;
  /** Every reply has come: what is left to do with what was received. */
  finish(): void;
}
