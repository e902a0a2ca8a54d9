import { CHECKSUM_BYTES, writeChecksum } from '../checksum.ts';
import { chunkKey, sumsKey } from '../engine-keys.ts';
import type { ReadPart } from '../read-part.ts';
import { Frame, type RespValue } from '../resp.ts';
import {
  type AskEngine,
  type BlockLayout,
  type BlockPlacer,
  type LayoutCensus,
  type ScanPage,
  UNREADABLE,
} from './block-layout.ts';
import type { LayoutSpec } from './layout-spec.ts';
import { ReservedChunks } from './reserved-chunks.ts';
import { isStoredAt, scanVolume, takeVolumeCensus, type VolumePages } from './volume-census.ts';
import { RecordPlacer } from './volume-records.ts';
import { recordRuns, sumRuns } from './volume-runs.ts';
import {
  bitCount,
  bitOf,
  blockOfSum,
  blocksOfBit,
  PAGE_SUMS,
  type SumPlace,
  type VolumeShape,
  volumeShape,
} from './volume-shape.ts';
import { addZeroRecords, addZeroSums } from './volume-zeroing.ts';

/**
 * The byte behind the last record of a chunk. Written before any record, it makes the engine reserve the chunk as a
 * whole, at its exact size, instead of doubling it as records come.
 */
const CHUNK_END = Buffer.of(1);
const END_BYTES = CHUNK_END.length;

/** Pages of the map asked about for one list, and fetched for it: bounds on how long the engine is busy with it. */
const ASKED_PAGES_MAX = 65_536;
const LISTED_PAGES_MAX = 256;
/** Questions per request. */
const ASKED_AT_ONCE = 1024;

/**
 * The native layout: chunks of neighbouring blocks as STRING values that are read and written in part, each block with
 * its checksum in front of it; extents of chunks on one shard; and a packed map of the checksums beside the data.
 * Byte for byte in docs/data-on-the-engines.md.
 */
export class VolumeLayout implements BlockLayout {
  readonly spec: LayoutSpec;
  readonly blockSizeBytes: number;
  readonly shape: VolumeShape;
  readonly #vdisk: string;
  readonly #shards: number;
  readonly #scratch: Buffer[] = [];
  /** Zeros under a checksum that is not theirs. */
  readonly #unreadable: Buffer;
  readonly #reserved = new ReservedChunks();

  constructor(vdisk: string, blockSizeBytes: number, shards: number) {
    this.spec = { kind: 'volume', vdisk, blockSizeBytes, shards };
    this.#vdisk = vdisk;
    this.#shards = shards;
    this.blockSizeBytes = blockSizeBytes;
    this.shape = volumeShape(blockSizeBytes);
    this.#unreadable = Buffer.alloc(blockSizeBytes);
  }

  placedBy(block: number): number {
    return Math.floor(block / this.shape.extentBlocks);
  }

  bitOf(block: number, shards: number): number {
    return bitOf(this.shape, block, shards);
  }

  blocksOfBit(bit: number, shards: number): number[] {
    return blocksOfBit(this.shape, bit, shards);
  }

  bitCount(blocks: number, shards: number): number {
    return bitCount(this.shape, blocks, shards);
  }

  addRead(frame: Frame, parts: readonly ReadPart[]): BlockPlacer {
    const { recordBytes } = this.shape;
    const counts: number[] = [];
    for (const { blocks } of parts) {
      for (const { chunk, first, count } of recordRuns(this.shape, blocks)) {
        const from = first * recordBytes;
        frame
          .begin(4)
          .arg('GETRANGE')
          .arg(chunkKey(this.#vdisk, chunk))
          .arg(from)
          .arg(from + count * recordBytes - 1);
        counts.push(count);
      }
    }
    return new RecordPlacer(parts, counts, this.shape, this.#scratch);
  }

  addStore(frame: Frame, blocks: ReadonlyMap<number, Buffer | null>, isCopy = false): void {
    const stored: number[] = [];
    const zeroed: number[] = [];
    for (const [block, data] of blocks) (data === null ? zeroed : stored).push(block);
    if (stored.length > 0) this.#store(frame, ascending(stored), blocks, isCopy);
    if (zeroed.length > 0) this.#zero(frame, ascending(zeroed));
  }

  forget(blocks: readonly number[]): void {
    for (const { chunk } of recordRuns(this.shape, blocks)) this.#reserved.delete(chunk);
  }

  addAskStored(frame: Frame, blocks: readonly number[]): void {
    for (const { place, count } of sumRuns(this.shape, this.#shards, blocks)) {
      const from = place.at * CHECKSUM_BYTES;
      frame.command('GETRANGE', this.#page(place), from, from + count * CHECKSUM_BYTES - 1);
    }
  }

  areStored(replies: readonly RespValue[], blocks: readonly number[]): boolean[] {
    const sums = this.sumsIn(replies, blocks);
    return blocks.map((_, i) => isStoredAt(sums, i));
  }

  /** The checksums of the blocks, in their order, as the map of the engine has them that answered {@link addAskStored}. */
  sumsIn(replies: readonly RespValue[], blocks: readonly number[]): Buffer {
    const sums = Buffer.alloc(blocks.length * CHECKSUM_BYTES);
    let at = 0;
    for (const [i, { count }] of sumRuns(this.shape, this.#shards, blocks).entries()) {
      const reply = replies[i];
      if (Buffer.isBuffer(reply)) reply.copy(sums, at);
      at += count * CHECKSUM_BYTES;
    }
    return sums;
  }

  async listStored(ask: AskEngine, most: number, bits: number): Promise<number[] | null> {
    const pages = await this.#existingPages(ask, Math.ceil(bits / PAGE_SUMS));
    if (pages === null) return null;
    const stored: number[] = [];
    for (const place of pages) {
      const [sums] = await ask(new Frame().command('GET', this.#page(place)));
      if (!Buffer.isBuffer(sums)) continue;
      for (let at = 0; at < PAGE_SUMS; at++)
        if (isStoredAt(sums, at)) stored.push(blockOfSum(this.shape, { ...place, at }, this.#shards));
      if (stored.length > most) return null;
    }
    return stored;
  }

  scanStored(ask: AskEngine, cursor: string, count: number, bits: number): Promise<ScanPage> {
    return scanVolume(this.#pages(bits), ask, cursor, count);
  }

  census(ask: AskEngine, bits: number): Promise<LayoutCensus> {
    return takeVolumeCensus(this.#pages(bits), ask);
  }

  #pages(bits: number): VolumePages {
    return {
      shape: this.shape,
      shards: this.#shards,
      pagesOfHome: Math.ceil(bits / PAGE_SUMS),
      key: (place) => this.#page(place),
      chunkKey: (chunk) => chunkKey(this.#vdisk, chunk),
    };
  }

  /** The first places of the pages that an engine has; null when there are too many to look at. */
  async #existingPages(ask: AskEngine, pagesOfHome: number): Promise<SumPlace[] | null> {
    if (pagesOfHome * this.#shards > ASKED_PAGES_MAX) return null;
    const all: SumPlace[] = [];
    for (let home = 0; home < this.#shards; home++)
      for (let page = 0; page < pagesOfHome; page++) all.push({ home, page, at: 0 });
    const existing: SumPlace[] = [];
    for (let from = 0; from < all.length; from += ASKED_AT_ONCE) {
      const asked = all.slice(from, from + ASKED_AT_ONCE);
      const frame = new Frame();
      for (const place of asked) frame.command('STRLEN', this.#page(place));
      const lengths = await ask(frame);
      for (const [i, place] of asked.entries()) if (lengths[i] !== 0) existing.push(place);
      if (existing.length > LISTED_PAGES_MAX) return null;
    }
    return existing;
  }

  #store(
    frame: Frame,
    stored: readonly number[],
    blocks: ReadonlyMap<number, Buffer | null>,
    isCopy: boolean,
  ): void {
    const { recordBytes, chunkBlocks } = this.shape;
    const sums = Buffer.allocUnsafe(stored.length * CHECKSUM_BYTES);
    let next = 0;
    for (const { chunk, first, count } of recordRuns(this.shape, stored)) {
      const key = chunkKey(this.#vdisk, chunk);
      const isLast = first + count === chunkBlocks;
      const isReserved = this.#reserved.add(chunk) === 'known' && !isCopy;
      if (!isLast && !isReserved) frame.command('SETRANGE', key, chunkBlocks * recordBytes, CHUNK_END);
      // A whole value replaces the one before: the engine takes it as it is, and nothing of a malformed one stays.
      if (count === chunkBlocks) frame.begin(3).arg('SET').arg(key);
      else
        frame
          .begin(4)
          .arg('SETRANGE')
          .arg(key)
          .arg(first * recordBytes);
      frame.head(count * recordBytes + (isLast ? END_BYTES : 0));
      for (let i = 0; i < count; i++, next++) {
        const data = this.#content(blocks, stored[next] ?? 0);
        if (data === this.#unreadable) sums.fill(0xff, next * CHECKSUM_BYTES, (next + 1) * CHECKSUM_BYTES);
        else writeChecksum(sums, next * CHECKSUM_BYTES, data);
        frame.data(sums.subarray(next * CHECKSUM_BYTES, (next + 1) * CHECKSUM_BYTES)).data(data);
      }
      if (isLast) frame.data(CHUNK_END);
      frame.tail();
    }
    this.#storeSums(frame, stored, sums);
  }

  #storeSums(frame: Frame, stored: readonly number[], sums: Buffer): void {
    let at = 0;
    for (const { place, count } of sumRuns(this.shape, this.#shards, stored)) {
      const bytes = count * CHECKSUM_BYTES;
      frame
        .begin(4)
        .arg('SETRANGE')
        .arg(this.#page(place))
        .arg(place.at * CHECKSUM_BYTES)
        .arg(sums.subarray(at, at + bytes));
      at += bytes;
    }
  }

  /** Behind what is stored: a chunk goes when none of its records is left. */
  #zero(frame: Frame, zeroed: readonly number[]): void {
    const gone: string[] = [];
    for (const { chunk, first, count } of recordRuns(this.shape, zeroed)) {
      const key = chunkKey(this.#vdisk, chunk);
      this.#reserved.delete(chunk);
      if (count === this.shape.chunkBlocks) gone.push(key);
      else addZeroRecords(frame, key, this.shape, first, count);
    }
    if (gone.length > 0) frame.command('UNLINK', ...gone);
    for (const { place, count } of sumRuns(this.shape, this.#shards, zeroed))
      addZeroSums(frame, this.#page(place), place.at, count);
  }

  #content(blocks: ReadonlyMap<number, Buffer | null>, block: number): Buffer {
    const data = blocks.get(block);
    if (data === UNREADABLE) return this.#unreadable;
    if (data == null || data.length !== this.blockSizeBytes)
      throw new RangeError(`block ${block}: expected ${this.blockSizeBytes} bytes, found ${data?.length}`);
    return data;
  }

  #page({ home, page }: SumPlace): string {
    return sumsKey(this.#vdisk, home, page);
  }
}

/** Neighbours come together; most often they come in order already. */
function ascending(blocks: number[]): number[] {
  for (let i = 1; i < blocks.length; i++)
    if ((blocks[i] ?? 0) < (blocks[i - 1] ?? 0)) return blocks.sort((a, b) => a - b);
  return blocks;
}
