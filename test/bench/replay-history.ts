import {
  ChunkBuilder as Builder,
  blockChecksum,
  type ChunkBuilder,
  type Tier2Store,
  VdiskChunks,
} from '../../packages/tlog/src/index.ts';

export const BLOCK_BYTES = 4096;
/** Blocks of a segment: what fits into its 512 KiB beside their records. */
const SEGMENT_RECORDS = 124;
const CHUNK_BYTES = 64 << 20;
const POOL_BYTES = 8 << 20;
/** One change in so many deletes its block. */
const DELETE_EVERY = 200;

export interface History {
  readonly vdisk: string;
  readonly container: number;
  /** Blocks of the vdisk that are written at all. */
  readonly blocks: number;
  /** How often all of them are, on average. */
  readonly times: number;
}

export interface WrittenHistory {
  readonly sequence: number;
  /** Blocks that hold something in the end. */
  readonly liveBlocks: readonly number[];
}

/** Content of the record with this sequence: random bytes that differ from one to the next. */
export class Contents {
  readonly #pool: Buffer;

  constructor(seed: number) {
    this.#pool = Buffer.allocUnsafe(POOL_BYTES + BLOCK_BYTES);
    let state = seed | 1;
    for (let at = 0; at + 4 <= this.#pool.length; at += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.#pool.writeInt32LE(state, at);
    }
  }

  of(sequence: number, into: Buffer, at: number): void {
    const from = ((sequence * 2_654_435_761) % POOL_BYTES) & ~7;
    this.#pool.copy(into, at, from, from + BLOCK_BYTES);
    into.writeDoubleLE(sequence, at);
  }
}

/**
 * Writes the log of a vdisk that is filled once in order, then overwritten in random order, as its archiver would have: chunk
 * files with indexes.
 */
export async function writeHistory(
  store: Tier2Store,
  { vdisk, container, blocks, times }: History,
  progress: (line: string) => void,
): Promise<WrittenHistory> {
  const chunks = new VdiskChunks(store, container, vdisk);
  const contents = new Contents(20_260);
  const isLive = new Uint8Array(blocks);
  const total = blocks * times;
  let random = 88_172_645;
  const nextRandom = (): number => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return random >>> 0;
  };
  let chunk: ChunkBuilder = new Builder(vdisk, 1);
  let number = 0;
  // While one chunk is stored the next one is made.
  let stored: Promise<unknown> = Promise.resolve();
  for (let sequence = 1; sequence <= total; ) {
    const count = Math.min(SEGMENT_RECORDS, total + 1 - sequence);
    const data = Buffer.allocUnsafe(count * BLOCK_BYTES);
    let bytes = 0;
    const first = sequence;
    const records = Array.from({ length: count }, () => {
      const block = sequence <= blocks ? sequence - 1 : nextRandom() % blocks;
      const isDelete = sequence > blocks && sequence % DELETE_EVERY === 0;
      isLive[block] = isDelete ? 0 : 1;
      const at = bytes;
      if (!isDelete) {
        contents.of(sequence, data, at);
        bytes += BLOCK_BYTES;
      }
      return {
        sequence: sequence++,
        block,
        length: isDelete ? 0 : BLOCK_BYTES,
        checksum: isDelete ? 0 : blockChecksum(data.subarray(at, bytes)),
      };
    });
    chunk.add({
      ...{ vdisk, number: ++number, epoch: 1, generation: 0, kind: 'writes', name: '', first, base: 1 },
      ...{ firstAt: number, lastAt: number, blockSize: BLOCK_BYTES, positions: [] },
      ...{ records, data: data.subarray(0, bytes) },
    });
    if (chunk.bytes < CHUNK_BYTES && sequence <= total) continue;
    await stored;
    stored = chunks.write(chunk.finish());
    stored.catch(() => undefined); // whoever waits for it is told
    chunk = new Builder(vdisk, number + 1);
    if (number % 20 === 0) progress(`log: ${sequence - 1} of ${total} records`);
  }
  await stored;
  const liveBlocks: number[] = [];
  for (const [block, live] of isLive.entries()) if (live === 1) liveBlocks.push(block);
  return { sequence: total, liveBlocks };
}
