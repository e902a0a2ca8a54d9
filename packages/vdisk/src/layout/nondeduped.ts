import { blocksKey } from '../engine-keys.ts';
import { Frame, type RespValue } from '../resp.ts';
import type { AskEngine, BlockLayout } from './block-layout.ts';

/** Blocks per HMGET: long enough to amortise the command, short enough not to stall the engine. */
const READ_RUN = 64;

/**
 * 0-Disk's nondeduped layout: one HASH per vdisk and engine, field = decimal block index, value = the raw block. Blocks
 * are spread one by one. Also serves other hashes of numbered values.
 */
export class NondedupedLayout implements BlockLayout {
  readonly blockSizeBytes: number;
  readonly keys: readonly string[];
  readonly #key: string;

  constructor(vdisk: string, blockSizeBytes: number, key: string = blocksKey(vdisk)) {
    this.blockSizeBytes = blockSizeBytes;
    this.#key = key;
    this.keys = [key];
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

  addRead(frame: Frame, blocks: readonly number[]): void {
    for (let from = 0; from < blocks.length; from += READ_RUN) {
      const end = Math.min(from + READ_RUN, blocks.length);
      frame
        .begin(2 + end - from)
        .arg('HMGET')
        .arg(this.#key);
      for (let i = from; i < end; i++) frame.arg(blocks[i] ?? 0);
    }
  }

  found(replies: readonly RespValue[], _blocks: readonly number[]): (Buffer | null)[] {
    const found: (Buffer | null)[] = [];
    for (const reply of replies) {
      for (const value of Array.isArray(reply) ? reply : [])
        found.push(Buffer.isBuffer(value) ? value : null);
    }
    return found;
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
}

/** A field of another writer that names no block is not read either. */
function blockNumber(name: RespValue): number {
  const block = Buffer.isBuffer(name) ? Number(name.toString('latin1')) : -1;
  return Number.isSafeInteger(block) ? block : -1;
}
