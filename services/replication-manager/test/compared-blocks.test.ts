import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { fromPlainJson, toPlainJson, type VolumeCompareReply } from '@salvor/contracts';
import fc from 'fast-check';
import { bulkBlocksOf } from '../src/block-digests.ts';
import { answerOf } from '../src/compare-answer.ts';
import { type Ask, compareBlocks, type Question } from '../src/compared-blocks.ts';

const BLOCK = 4096;
const BLOCKS = 3 * bulkBlocksOf(BLOCK) + 5;
const signal = new AbortController().signal;
const pace = async (): Promise<void> => undefined;
const report = async (): Promise<void> => undefined;

type Content = (Buffer | null)[];

/** The other zone: answers as a manager does, and goes through the wire format. */
class Source {
  readonly content: Content;
  readonly asked: Question[] = [];
  batch = 7;
  /** Done before each answer. */
  before: () => void = () => undefined;

  constructor(content: Content) {
    this.content = content;
  }

  readonly ask: Ask = async (question): Promise<VolumeCompareReply> => {
    this.before();
    this.asked.push(question);
    const request = fromPlainJson(
      'VolumeCompareRequest',
      toPlainJson('VolumeCompareRequest', { volume: 'vol1', ...question }),
    );
    const image = {
      ...{ name: 'image', map: { vdisk: 'v1', blocks: this.content.length, static: { blockSize: BLOCK } } },
      read: async (blocks: readonly number[]) => blocks.map((block) => this.content[block] ?? null),
      positions: async () => [{ shard: 0, batch: this.batch }],
    };
    const reply = await answerOf(image, request);
    return fromPlainJson('VolumeCompareReply', toPlainJson('VolumeCompareReply', reply));
  };
}

class Target {
  readonly content: Content;
  readonly written: number[] = [];
  readonly blockSize = BLOCK;
  readonly stepBlocks = 16;

  constructor(content: Content) {
    this.content = content;
  }

  get blocks(): number {
    return this.content.length;
  }

  async read(blocks: readonly number[]): Promise<Content> {
    return blocks.map((block) => this.content[block] ?? null);
  }

  async write(blocks: readonly { readonly block: number; readonly data: Buffer | null }[]): Promise<void> {
    for (const { block, data } of blocks) {
      this.content[block] = data;
      this.written.push(block);
    }
  }
}

function filled(fill: number | null): Buffer | null {
  return fill === null ? null : Buffer.alloc(BLOCK, fill);
}

function textOf(content: Content): string[] {
  return content.map((block) => `${block?.[0] ?? 0}`);
}

/** Blocks that are zeros are equal, stored or not. */
const images = fc.array(
  fc.record({
    block: fc.nat(BLOCKS - 1),
    here: fc.constantFrom<number | null>(null, 0, 1, 2),
    there: fc.constantFrom<number | null>(null, 0, 1, 2),
  }),
  { maxLength: 200 },
);

describe('Comparing blocks by hashes', () => {
  it('makes the target equal, writes the blocks that differ and no other, and sends no byte for zeros', async () => {
    await fc.assert(
      fc.asyncProperty(images, async (changes) => {
        const source = new Source(Array.from({ length: BLOCKS }, () => filled(9)));
        const target = new Target(Array.from({ length: BLOCKS }, () => filled(9)));
        for (const { block, here, there } of changes) {
          source.content[block] = filled(there);
          target.content[block] = filled(here);
        }
        const differing = textOf(source.content).flatMap((text, block) =>
          text === textOf(target.content)[block] ? [] : [block],
        );
        const stored = differing.filter((block) => textOf(source.content)[block] !== '0');
        const counts = await compareBlocks({ target, ask: source.ask, from: 0, report, pace, signal });
        assert.deepEqual(textOf(target.content), textOf(source.content));
        assert.deepEqual(
          target.written.sort((a, b) => a - b),
          differing,
        );
        assert.equal(counts.sentBlocks, differing.length);
        assert.equal(counts.sentBytes, stored.length * BLOCK);
      }),
      { numRuns: 40 },
    );
  });

  it('finds a block that differs though its short tag is the same', async () => {
    const [one, other] = collision();
    assert.equal(crc32(one), crc32(other));
    const source = new Source([one, null, null]);
    const target = new Target([other, null, null]);
    await compareBlocks({ target, ask: source.ask, from: 0, report, pace, signal });
    assert.ok(target.content[0]?.equals(one));
    assert.deepEqual(target.written, [0]);
  });

  it('goes on where an interrupted run ended, and sends nothing again that was reported', async () => {
    const source = new Source(Array.from({ length: 3 * 2048 }, (_, i) => filled(1 + (i % 200))));
    const target = new Target(Array.from({ length: source.content.length }, () => null));
    let reported = 0;
    const stopping = async (next: number): Promise<void> => {
      reported = next;
      throw new Error('killed');
    };
    await assert.rejects(
      compareBlocks({ target, ask: source.ask, from: 0, report: stopping, pace, signal }),
      /killed/,
    );
    assert.equal(reported, 2048);
    const before = target.written.length;
    const { sentBlocks } = await compareBlocks({
      target,
      ask: source.ask,
      from: reported,
      report,
      pace,
      signal,
    });
    assert.equal(before + sentBlocks, source.content.length);
    assert.deepEqual(textOf(target.content), textOf(source.content));
  });

  it('takes each block as it was at some moment, while the source is written', async () => {
    const source = new Source(Array.from({ length: BLOCKS }, () => filled(1)));
    const target = new Target(Array.from({ length: BLOCKS }, () => filled(9)));
    let version = 1;
    source.before = () => {
      version = (version % 7) + 1;
      for (let block = version; block < BLOCKS; block += 3) source.content[block] = filled(version);
    };
    await compareBlocks({ target, ask: source.ask, from: 0, report, pace, signal });
    for (const block of target.content) {
      const [first = 0] = block ?? [];
      assert.ok(first >= 1 && first <= 7 && block?.every((byte) => byte === first));
    }
  });

  it('refuses answers that do not fit what was asked for, and a source that has lost its last writes', async () => {
    const source = new Source([filled(1)]);
    const run = { from: 0, report, pace, signal };
    const lies = (change: Partial<VolumeCompareReply>): Promise<unknown> =>
      compareBlocks({
        ...{ ...run, target: new Target([filled(2)]) },
        ask: async (question) => ({ ...(await source.ask(question)), ...change }),
      });
    await assert.rejects(lies({ hashes: Buffer.alloc(31) }), { code: 'bad-answer' });
    await assert.rejects(lies({ bulkBlocks: 1 }), { code: 'bad-answer' });
    await assert.rejects(lies({ answered: 2 }), { code: 'bad-answer' });
    await assert.rejects(lies({ blocks: [5] }), { code: 'bad-answer' });
    await assert.rejects(lies({ data: Buffer.alloc(BLOCK, 3) }), { code: 'hash-differs' });
    await assert.rejects(source.ask({ count: 0, positions: [{ shard: 0, batch: 8 }] }), {
      code: 'source-stale',
    });
    await assert.rejects(source.ask({ first: 1, count: 1 }), { code: 'invalid-range' });
    await assert.rejects(source.ask({ bulks: [0], tags: Buffer.alloc(3) }), { code: 'invalid-range' });
  });
});

/** Two blocks with the same CRC-32: of 33 blocks with one bit each, some have CRCs that cancel each other out. */
function collision(): [Buffer, Buffer] {
  const bit = (i: number): Buffer => {
    const block = Buffer.alloc(BLOCK);
    block[Math.floor(i / 8)] = 1 << (i % 8);
    return block;
  };
  const zeros = crc32(Buffer.alloc(BLOCK));
  /** By their highest bit: sums of CRCs, and the bits that make each. */
  const basis = new Map<number, { sum: number; bits: Set<number> }>();
  for (let i = 0; ; i++) {
    let sum = (crc32(bit(i)) ^ zeros) >>> 0;
    const bits = new Set([i]);
    for (let known = basis.get(Math.clz32(sum)); sum !== 0 && known !== undefined; ) {
      sum = (sum ^ known.sum) >>> 0;
      for (const each of known.bits) if (!bits.delete(each)) bits.add(each);
      known = basis.get(Math.clz32(sum));
    }
    if (sum !== 0) basis.set(Math.clz32(sum), { sum, bits });
    else {
      const block = Buffer.alloc(BLOCK);
      for (const each of bits)
        block[Math.floor(each / 8)] = (block[Math.floor(each / 8)] ?? 0) | (1 << (each % 8));
      return [block, Buffer.alloc(BLOCK)];
    }
  }
}
