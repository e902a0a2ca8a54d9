import { blocksKey } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import type { ReadPart } from '../read-part.ts';
import { Frame, type RespError, RespProtocolError, type RespValue } from '../resp.ts';
import type { AskEngine, BlockLayout, BlockPlacer, LayoutCensus, ScanPage } from './block-layout.ts';
import type { LayoutSpec } from './layout-spec.ts';

/** Blocks per HMGET: long enough to amortise the command, short enough not to stall the engine. */
const READ_RUN = 64;

/** One step of a scan; the values stay on the engine. */
const SCAN_NAMES = `
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local names = {}
for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
return {page[1], names}`;

/**
 * 0-Disk's nondeduped layout: one HASH per vdisk and engine, field = decimal block index, value = the raw block. Blocks
 * are spread one by one. Also serves other hashes of numbered values.
 */
export class NondedupedLayout implements BlockLayout {
  readonly spec: LayoutSpec;
  readonly blockSizeBytes: number;
  readonly #key: string;

  constructor(vdisk: string, blockSizeBytes: number, key: string = blocksKey(vdisk)) {
    this.spec = { kind: 'nondeduped', vdisk, blockSizeBytes, key, shards: 1 };
    this.blockSizeBytes = blockSizeBytes;
    this.#key = key;
  }

  placedBy(block: number): number {
    return block;
  }

  /** Bit i stands for stripe i: blocks i*N to i*N+N-1, of which one is on each shard. */
  bitOf(block: number, shards: number): number {
    return Math.floor(block / shards);
  }

  blocksOfBit(bit: number, shards: number): number[] {
    return Array.from({ length: shards }, (_, i) => bit * shards + i);
  }

  bitCount(blocks: number, shards: number): number {
    return Math.ceil(blocks / shards);
  }

  addRead(frame: Frame, parts: readonly ReadPart[]): BlockPlacer {
    let left = 0;
    for (const { blocks } of parts) left += blocks.length;
    let room = 0;
    for (const { blocks } of parts) {
      for (const block of blocks) {
        if (room === 0) {
          room = Math.min(left, READ_RUN);
          left -= room;
          frame
            .begin(2 + room)
            .arg('HMGET')
            .arg(this.#key);
        }
        room--;
        frame.arg(block);
      }
    }
    return new OneByOne(parts, this.blockSizeBytes);
  }

  addStore(frame: Frame, blocks: ReadonlyMap<number, Buffer | null>): void {
    let zeroed = 0;
    for (const data of blocks.values()) if (data === null) zeroed++;
    const stored = blocks.size - zeroed;
    if (stored > 0) {
      frame
        .begin(2 + 2 * stored)
        .arg('HSET')
        .arg(this.#key);
      for (const [block, data] of blocks) if (data !== null) frame.arg(block).arg(data);
    }
    if (zeroed > 0) {
      frame
        .begin(2 + zeroed)
        .arg('HDEL')
        .arg(this.#key);
      for (const [block, data] of blocks) if (data === null) frame.arg(block);
    }
  }

  addAskStored(frame: Frame, blocks: readonly number[]): void {
    for (const block of blocks) frame.command('HEXISTS', this.#key, block);
  }

  areStored(replies: readonly RespValue[], _blocks: readonly number[]): boolean[] {
    return replies.map((reply) => reply === 1);
  }

  async listStored(ask: AskEngine, most: number): Promise<number[] | null> {
    const [count] = await ask(new Frame().command('HLEN', this.#key));
    if (typeof count !== 'number' || count > most) return null;
    if (count === 0) return [];
    const [names] = await ask(new Frame().command('HKEYS', this.#key));
    return Array.isArray(names) ? names.map(blockNumber).filter((block) => block >= 0) : null;
  }

  async scanStored(ask: AskEngine, cursor: string, count: number): Promise<ScanPage> {
    const [page] = await ask(new Frame().command('EVAL', SCAN_NAMES, 1, this.#key, cursor, count));
    const [next, names] = Array.isArray(page) ? page : [];
    if (!Buffer.isBuffer(next) || !Array.isArray(names))
      throw new EngineError('protocol', 'a scan of blocks was answered with something else');
    return {
      cursor: next.toString('latin1'),
      blocks: names.map(blockNumber).filter((block) => block >= 0),
    };
  }

  async census(ask: AskEngine): Promise<LayoutCensus> {
    const [count] = await ask(new Frame().command('HLEN', this.#key));
    const blocks = typeof count === 'number' ? count : 0;
    return { blocks, exact: true, keyCount: 1, someKeys: [this.#key], besidesBytes: 0 };
  }
}

/** A field of another writer that names no block is not read either. */
function blockNumber(name: RespValue): number {
  const block = Buffer.isBuffer(name) ? Number(name.toString('latin1')) : -1;
  return Number.isSafeInteger(block) ? block : -1;
}

/** One bulk string a block; a nil is a hole. */
class OneByOne implements BlockPlacer {
  at = 0;
  readonly #parts: readonly ReadPart[];
  readonly #blockSizeBytes: number;
  #part = 0;
  #next = 0;
  /** A value that is longer than a block: of another writer. Its beginning counts, as in 0-Disk. */
  #long: { readonly bytes: Buffer; readonly into: Buffer; readonly at: number } | null = null;

  constructor(parts: readonly ReadPart[], blockSizeBytes: number) {
    this.#parts = parts;
    this.#blockSizeBytes = blockSizeBytes;
  }

  bulk(length: number): Buffer {
    const { into, at } = this.#step(true);
    this.at = at;
    if (length === this.#blockSizeBytes) return into;
    if (length < this.#blockSizeBytes) {
      // A value shorter than a block reads as if zeros followed it.
      into.fill(0, at + length, at + this.#blockSizeBytes);
      return into;
    }
    const bytes = Buffer.allocUnsafe(length);
    this.#long = { bytes, into, at };
    this.at = 0;
    return bytes;
  }

  scalar(_value: number | string | RespError | null): void {
    const { into, at } = this.#step(false);
    into.fill(0, at, at + this.#blockSizeBytes);
  }

  finish(): void {
    this.#settle();
    // What was not answered holds whatever was in the memory before.
    if (this.#part < this.#parts.length)
      throw new RespProtocolError('it sent fewer values than it was asked for');
  }

  #settle(): void {
    const long = this.#long;
    this.#long = null;
    if (long !== null) long.bytes.copy(long.into, long.at, 0, this.#blockSizeBytes);
  }

  #step(isStored: boolean): { into: Buffer; at: number } {
    this.#settle();
    const part = this.#parts[this.#part];
    if (part === undefined) throw new RespProtocolError('it sent more values than it was asked for');
    const { into, blocks } = part;
    const at = part.placeOf(this.#next);
    if (isStored) part.noteStored(this.#next);
    if (++this.#next === blocks.length) {
      this.#part++;
      this.#next = 0;
    }
    return { into, at };
  }
}
