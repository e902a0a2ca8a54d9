/** What two zones compare blocks by. A hash of a bulk is a promise that it is equal; the tags only say where to look. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** SHA-256, of which half: what two bulks agree in by chance once in 2^128. */
export const HASH_BYTES = 16;
/** Half of a CRC-32 finds out which blocks of a bulk differ; where the hash of the bulk does not agree afterwards, SHA-256 does. */
export const SHORT_TAG_BYTES = 2;
export const LONG_TAG_BYTES = 32;

const BULK_BYTES: number = 256 * 1024;
const BULK_BLOCKS_MAX = 64;

/** A block; null: zeros. */
export type BlockOf = Buffer | null;

/** Blocks that have one hash together: few enough that one changed block is found with a few hundred bytes. */
export function bulkBlocksOf(blockSize: number): number {
  return Math.max(1, Math.min(BULK_BLOCKS_MAX, Math.floor(BULK_BYTES / blockSize)));
}

/** Makes hashes and tags of blocks of one size; zeros are the same stored or not. */
export class BlockDigests {
  readonly #zeros: Buffer;
  readonly #zeroBulks = new Map<number, Buffer>();

  constructor(blockSize: number) {
    this.#zeros = Buffer.alloc(blockSize);
  }

  hashOf(blocks: readonly BlockOf[]): Buffer {
    if (blocks.some((block) => block !== null)) return this.#bulkHash(blocks);
    let known = this.#zeroBulks.get(blocks.length);
    if (known === undefined) {
      known = this.#bulkHash(blocks);
      this.#zeroBulks.set(blocks.length, known);
    }
    return known;
  }

  /** The tags of blocks, one after the other. */
  tagsOf(blocks: readonly BlockOf[], tagBytes: number): Buffer {
    const tags = Buffer.allocUnsafe(blocks.length * tagBytes);
    for (const [i, block] of blocks.entries()) this.#tag(block, tagBytes).copy(tags, i * tagBytes);
    return tags;
  }

  /** Which of the blocks have another tag. */
  differing(blocks: readonly BlockOf[], tags: Buffer, tagBytes: number): number[] {
    const places: number[] = [];
    for (const [i, block] of blocks.entries())
      if (!this.#tag(block, tagBytes).equals(tags.subarray(i * tagBytes, (i + 1) * tagBytes))) places.push(i);
    return places;
  }

  isZeros(block: BlockOf): boolean {
    return block === null || block.equals(this.#zeros);
  }

  #bulkHash(blocks: readonly BlockOf[]): Buffer {
    return this.#hash(blocks).subarray(0, HASH_BYTES);
  }

  #hash(blocks: readonly BlockOf[]): Buffer {
    const hash = createHash('sha256');
    for (const block of blocks) hash.update(block ?? this.#zeros);
    return hash.digest();
  }

  #tag(block: BlockOf, tagBytes: number): Buffer {
    if (tagBytes === LONG_TAG_BYTES) return this.#hash([block]);
    const tag = Buffer.allocUnsafe(SHORT_TAG_BYTES);
    tag.writeUInt16BE(crc32(block ?? this.#zeros) & 0xffff);
    return tag;
  }
}
