import type { VolumeCompareReply, VolumeCompareRequestInit } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import {
  BlockDigests,
  type BlockOf,
  bulkBlocksOf,
  HASH_BYTES,
  LONG_TAG_BYTES,
  SHORT_TAG_BYTES,
} from './block-digests.ts';

/** The vdisk that is made equal; {@link WholeBlocks} of a mounted one is. */
export interface ComparedTarget {
  readonly blocks: number;
  readonly blockSize: number;
  readonly stepBlocks: number;
  read(blocks: readonly number[]): Promise<(Buffer | null)[]>;
  write(blocks: readonly { readonly block: number; readonly data: Buffer | null }[]): Promise<void>;
}

/** What is asked of the other side. */
export type Question = Pick<
  VolumeCompareRequestInit,
  'first' | 'count' | 'bulks' | 'tagBytes' | 'tags' | 'positions'
>;
export type Ask = (question: Question) => Promise<VolumeCompareReply>;

export interface ComparedCounts {
  /** Blocks that differed. */
  readonly sentBlocks: number;
  /** Bytes of these that came over; zeros need none. */
  readonly sentBytes: number;
  /** Of hashes and tags, both ways. */
  readonly hashBytes: number;
}

export interface ComparedRun {
  readonly target: ComparedTarget;
  readonly ask: Ask;
  /** First block that is not done yet; a bulk begins there. */
  readonly from: number;
  /** Told after each range, when all of it is on the target: the first block that is not done, and what this run sent so far. */
  readonly report: (next: number, counts: ComparedCounts) => Promise<void>;
  /** Waits until so many bytes may come over. */
  readonly pace: (bytes: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Compared in one step, and held here. */
const RANGE_BYTES: number = 8 << 20;
/** Ranges that are read on both sides while one before them is dealt with. */
const RANGES_AHEAD = 2;
/** Bulks whose differing blocks are asked for at once; fewer where most of them differ. */
const BULKS_AT_ONCE = 32;

interface Bulk {
  readonly first: number;
  readonly blocks: readonly BlockOf[];
}

/**
 * Makes the target equal to what the other side has, block by block, each as it was there at some moment since this began.
 * Hashes of bulks say which differ; of these the other side gets a tag of each block, and sends the blocks whose tags differ
 * with the hash of the bulk as it was then, which has to agree.
 *
 * @returns what was sent
 * @throws SalvorError `hash-differs`, `bad-answer`; what `ask` and the target throw
 */
export async function compareBlocks({
  target,
  ask,
  from,
  report,
  pace,
  signal,
}: ComparedRun): Promise<ComparedCounts> {
  const bulkBlocks = bulkBlocksOf(target.blockSize);
  const rangeBlocks = bulkBlocks * Math.max(1, Math.floor(RANGE_BYTES / (bulkBlocks * target.blockSize)));
  const digests = new BlockDigests(target.blockSize);
  const counts = { sentBlocks: 0, sentBytes: 0, hashBytes: 0 };
  /** The bulks of a range that differ. */
  const look = async (first: number): Promise<Bulk[]> => {
    const count = Math.min(rangeBlocks, target.blocks - first);
    const [reply, own] = await Promise.all([
      ask({ first, count }),
      target.read(Array.from({ length: count }, (_, i) => first + i)),
    ]);
    if (reply.bulkBlocks !== bulkBlocks || reply.hashes.length !== Math.ceil(count / bulkBlocks) * HASH_BYTES)
      throw badAnswer(`bulks of ${reply.bulkBlocks} blocks, ${reply.hashes.length} bytes of hashes`);
    counts.hashBytes += reply.hashes.length;
    const differing: Bulk[] = [];
    for (let at = 0, i = 0; at < count; at += bulkBlocks, i++) {
      const blocks = own.slice(at, at + bulkBlocks);
      if (!digests.hashOf(blocks).equals(hashAt(reply.hashes, i)))
        differing.push({ first: first + at, blocks });
    }
    return differing;
  };
  const exchange = new Exchange({ target, ask, pace, digests, counts, signal });
  const ahead: Promise<Bulk[]>[] = [];
  let next = from;
  for (let done = from; done < target.blocks; done += rangeBlocks) {
    for (; ahead.length <= RANGES_AHEAD && next < target.blocks; next += rangeBlocks) {
      const looked = look(next);
      // Told when it is its turn.
      looked.catch(() => undefined);
      ahead.push(looked);
    }
    signal.throwIfAborted();
    const bulks = await ahead.shift();
    if (bulks !== undefined) await exchange.level(bulks);
    await report(Math.min(done + rangeBlocks, target.blocks), { ...counts });
  }
  return counts;
}

interface ExchangeOptions extends Pick<ComparedRun, 'target' | 'ask' | 'pace' | 'signal'> {
  readonly digests: BlockDigests;
  readonly counts: { sentBlocks: number; sentBytes: number; hashBytes: number };
}

/** Brings over the blocks of bulks that differ. */
class Exchange {
  readonly #options: ExchangeOptions;
  #atOnce = BULKS_AT_ONCE;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  async level(bulks: readonly Bulk[]): Promise<void> {
    const still = await this.#pass(bulks, SHORT_TAG_BYTES);
    const [wrong] = await this.#pass(still, LONG_TAG_BYTES);
    if (wrong === undefined) return;
    throw new SalvorError(
      'hash-differs',
      `the blocks from ${wrong.first} on do not have the hash that was sent with them`,
    );
  }

  /** @returns the bulks whose hash does not agree yet, as they are now */
  async #pass(bulks: readonly Bulk[], tagBytes: number): Promise<Bulk[]> {
    const { ask, counts, digests, pace, target, signal } = this.#options;
    const wrong: Bulk[] = [];
    for (let at = 0; at < bulks.length; ) {
      signal.throwIfAborted();
      const part = bulks.slice(at, at + this.#atOnce);
      const tags = Buffer.concat(part.map(({ blocks }) => digests.tagsOf(blocks, tagBytes)));
      const reply = await ask({ bulks: part.map(({ first }) => first), tagBytes, tags });
      const { answered, hashes, blocks, zeros, data } = reply;
      const size = target.blockSize;
      if (
        !(answered >= 1 && answered <= part.length) ||
        hashes.length !== answered * HASH_BYTES ||
        data.length !== blocks.length * size
      )
        throw badAnswer(
          `${answered} of ${part.length} bulks, ${blocks.length} blocks in ${data.length} bytes`,
        );
      counts.hashBytes += tags.length + hashes.length;
      counts.sentBlocks += blocks.length + zeros.length;
      counts.sentBytes += data.length;
      await pace(data.length);
      const news = new Map<number, BlockOf>(zeros.map((block) => [block, null]));
      for (const [i, block] of blocks.entries()) news.set(block, data.subarray(i * size, (i + 1) * size));
      await this.#write(news, part.slice(0, answered));
      for (const [i, { first, blocks: had }] of part.slice(0, answered).entries()) {
        const has = had.map((block, place) => {
          const found = news.get(first + place);
          return found === undefined ? block : found;
        });
        if (!digests.hashOf(has).equals(hashAt(hashes, i))) wrong.push({ first, blocks: has });
      }
      at += answered;
      this.#atOnce = Math.min(BULKS_AT_ONCE, Math.max(1, 2 * answered));
    }
    return wrong;
  }

  async #write(news: ReadonlyMap<number, BlockOf>, bulks: readonly Bulk[]): Promise<void> {
    const { target } = this.#options;
    const changes = [...news].map(([block, data]) => ({ block, data }));
    const isAsked = (block: number): boolean =>
      bulks.some(({ first, blocks }) => block >= first && block < first + blocks.length);
    const odd = changes.find(({ block }) => !isAsked(block));
    if (odd !== undefined) throw badAnswer(`block ${odd.block}, which was not asked for`);
    for (let from = 0; from < changes.length; from += target.stepBlocks)
      await target.write(changes.slice(from, from + target.stepBlocks));
  }
}

function hashAt(hashes: Buffer, index: number): Buffer {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

function badAnswer(found: string): SalvorError {
  return new SalvorError(
    'bad-answer',
    `the other zone answered what was not asked for: ${found}; run the same version in both zones`,
  );
}
