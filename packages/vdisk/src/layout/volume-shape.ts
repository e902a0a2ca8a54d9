import { CHECKSUM_BYTES } from '../checksum.ts';

/**
 * Measures of the native layout for one block size. A record is the checksum of a block and the block; a chunk is one
 * value on an engine and holds records of neighbouring blocks; an extent is neighbouring chunks on one shard.
 */
export interface VolumeShape {
  readonly blockSizeBytes: number;
  readonly recordBytes: number;
  /** Records in a chunk. */
  readonly chunkBlocks: number;
  /** Bytes of a complete chunk: its records and the byte that ends it. */
  readonly chunkBytes: number;
  /** Blocks in an extent. */
  readonly extentBlocks: number;
}

/**
 * A chunk with everything that the engine keeps around a value stays within this, which jemalloc hands out as it is: a
 * little more would take the next size, a quarter larger.
 */
const CHUNK_BYTES = 64 << 10;
/** Large blocks: so many to a chunk all the same, or what the engine keeps around a value takes a size of its own. */
const LARGE_BLOCKS = 15;
const LARGE_CHUNK_MAX_BYTES = 1 << 20;
/** String header, final zero and {@link CHUNK_END}. */
const OVERHEAD_BYTES = 16;
/** Bytes of an extent at most, unless a chunk is larger: a request of a MiB keeps several shards busy. */
const EXTENT_BYTES = 256 << 10;

export function volumeShape(blockSizeBytes: number): VolumeShape {
  const recordBytes = CHECKSUM_BYTES + blockSizeBytes;
  const fitting = (bytes: number): number => Math.floor((bytes - OVERHEAD_BYTES) / recordBytes);
  const chunkBlocks = Math.max(
    1,
    fitting(CHUNK_BYTES),
    Math.min(LARGE_BLOCKS, fitting(LARGE_CHUNK_MAX_BYTES)),
  );
  const chunks = Math.max(1, Math.floor(EXTENT_BYTES / (chunkBlocks * blockSizeBytes)));
  return {
    blockSizeBytes,
    recordBytes,
    chunkBlocks,
    chunkBytes: chunkBlocks * recordBytes + 1,
    extentBlocks: chunks * chunkBlocks,
  };
}

/** Checksums in one value of the map. */
export const PAGE_SUMS = 8192;

/** Where the map has the checksum of a block. */
export interface SumPlace {
  /** The shard that the block's extent is placed on while no server is `rip`. */
  readonly home: number;
  readonly page: number;
  /** Place in the page. */
  readonly at: number;
}

/** The block's bit in the dirty map: extents of a shard follow each other. */
export function bitOf({ extentBlocks }: VolumeShape, block: number, shards: number): number {
  const extent = Math.floor(block / extentBlocks);
  return Math.floor(extent / shards) * extentBlocks + (block - extent * extentBlocks);
}

/** Blocks with this bit, one in each extent of a stripe of extents. */
export function blocksOfBit({ extentBlocks }: VolumeShape, bit: number, shards: number): number[] {
  const stripe = Math.floor(bit / extentBlocks);
  const at = bit - stripe * extentBlocks;
  return Array.from({ length: shards }, (_, i) => (stripe * shards + i) * extentBlocks + at);
}

/** Bits that the first `blocks` blocks need. */
export function bitCount({ extentBlocks }: VolumeShape, blocks: number, shards: number): number {
  if (blocks === 0) return 0;
  const stripeBlocks = extentBlocks * shards;
  const whole = Math.floor((blocks - 1) / stripeBlocks);
  return whole * extentBlocks + Math.min(extentBlocks, blocks - whole * stripeBlocks);
}

/**
 * The bit alone would do while no server is `rip`: then an engine holds blocks of its own shard only. What is placed
 * there instead of on a server that is gone has bits that are taken, so each home has pages of its own.
 */
export function sumPlace(shape: VolumeShape, block: number, shards: number): SumPlace {
  const home = Math.floor(block / shape.extentBlocks) % shards;
  const bit = bitOf(shape, block, shards);
  const page = Math.floor(bit / PAGE_SUMS);
  return { home, page, at: bit - page * PAGE_SUMS };
}

/** The block whose checksum is at this place. */
export function blockOfSum(shape: VolumeShape, { home, page, at }: SumPlace, shards: number): number {
  const { extentBlocks } = shape;
  const bit = page * PAGE_SUMS + at;
  const stripe = Math.floor(bit / extentBlocks);
  return (stripe * shards + home) * extentBlocks + (bit - stripe * extentBlocks);
}
