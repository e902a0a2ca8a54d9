import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { SeededRandom, testSeed } from '@salvor/testkit';
import fc from 'fast-check';
import type { BlockLayout } from '../../src/layout/block-layout.ts';
import { placeBlock } from '../../src/sharding.ts';
import { type MakeLayout, Shards } from './shards.ts';

const BLOCKS = 700;
const geometries = fc.record({
  blockSizeBytes: fc.constantFrom(512, 4096, 16_384, 65_536),
  shards: fc.integer({ min: 1, max: 8 }),
});
const blockNumbers = fc.oneof(fc.nat({ max: 100_000 }), fc.integer({ min: 0, max: 2 ** 40 }));

/** What every layout promises, whatever its bytes look like. */
export function conformance(name: string, make: MakeLayout): void {
  describe(`layout ${name}`, { timeout: 120_000 }, () => {
    let shards: Shards;
    before(async () => {
      shards = await Shards.start();
    });
    after(async () => {
      await shards?.stop();
    });

    it('places a block by a number that grows with it, and neighbours on every shard in turn', () => {
      fc.assert(
        fc.property(geometries, blockNumbers, ({ blockSizeBytes, shards: count }, block) => {
          const layout = make('v', blockSizeBytes, count);
          const step = layout.placedBy(block + 1) - layout.placedBy(block);
          assert.ok(step === 0 || step === 1, `block ${block + 1} is placed ${step} further`);
          assert.equal(layout.placedBy(0), 0);
          assert.ok(Number.isSafeInteger(layout.placedBy(block)));
        }),
      );
    });

    it('gives each block of a shard a bit of its own, and finds the blocks of a bit again', () => {
      fc.assert(
        fc.property(geometries, blockNumbers, ({ blockSizeBytes, shards: count }, block) => {
          const layout = make('v', blockSizeBytes, count);
          const blocks = layout.blocksOfBit(layout.bitOf(block, count), count);
          assert.ok(blocks.includes(block));
          assert.deepEqual(
            blocks,
            [...blocks].sort((a, b) => a - b),
          );
          const home = (b: number): number => placeBlock(layout.placedBy(b), count, () => true);
          assert.equal(new Set(blocks.map(home)).size, blocks.length);
          for (const other of blocks) assert.equal(layout.bitOf(other, count), layout.bitOf(block, count));
        }),
      );
    });

    it('counts exactly the bits that its blocks need', () => {
      fc.assert(
        fc.property(geometries, fc.nat({ max: 5_000 }), ({ blockSizeBytes, shards: count }, blocks) => {
          const layout = make('v', blockSizeBytes, count);
          let most = 0;
          for (let block = 0; block < blocks; block++) most = Math.max(most, layout.bitOf(block, count) + 1);
          assert.equal(layout.bitCount(blocks, count), most);
        }),
        { numRuns: 30 },
      );
    });

    for (const blockSizeBytes of [512, 4096, 65_536]) {
      it(`answers what was stored last, for blocks of ${blockSizeBytes} bytes, and holes in between`, async () => {
        const random = new SeededRandom(testSeed());
        const vdisk = shards.newVdisk();
        const layout = make(vdisk, blockSizeBytes, 3);
        const session = await shards.session(vdisk, layout);
        const expected = new Map<number, Buffer>();
        for (let round = 0; round < 20; round++) {
          const batch = new Map<number, Buffer | null>();
          const first = random.below(100);
          for (let i = 0; i < 1 + random.below(40); i++) {
            const block = random.below(3) === 0 ? random.below(140) : first + i;
            batch.set(block, random.below(4) === 0 ? null : filled(blockSizeBytes, random));
          }
          await shards.store(session, layout, batch);
          for (const [block, data] of batch)
            if (data === null) expected.delete(block);
            else expected.set(block, data);
          const wanted = [...Array(140).keys()].filter(() => random.below(2) === 0);
          if (round % 2 === 0) wanted.reverse();
          const found = await session.readBlocks(wanted);
          for (const [i, block] of wanted.entries())
            assert.ok(isSame(found[i] ?? null, expected.get(block) ?? null), `block ${block}`);
          const stored = await session.storedBlocks(wanted);
          assert.deepEqual(
            stored,
            wanted.map((block) => expected.has(block)),
          );
          const listed = await session.storedAtMost(200, layout.bitCount(BLOCKS, 3));
          assert.deepEqual(
            listed?.sort((a, b) => a - b),
            [...expected.keys()].sort((a, b) => a - b),
          );
        }
      });
    }

    it('reads many requests of one turn into their own places', async () => {
      const vdisk = shards.newVdisk();
      const layout = make(vdisk, 4096, 1);
      const session = await shards.session(vdisk, layout);
      await shards.store(
        session,
        layout,
        new Map([...Array(64).keys()].map((b) => [b, Buffer.alloc(4096, b + 1)])),
      );
      const wanted = [[3], [60, 61, 62, 63, 64, 65], [0, 15, 14], [200], [5, 6, 7]];
      const found = await Promise.all(wanted.map((blocks) => session.readBlocks(blocks)));
      assert.deepEqual(
        found.map((blocks) => blocks.map((block) => block?.[4095] ?? 0)),
        wanted.map((blocks) => blocks.map((block) => (block < 64 ? block + 1 : 0))),
      );
    });

    it('stores nothing for zeros, and removes what was there', async () => {
      const vdisk = shards.newVdisk();
      const layout = make(vdisk, 4096, 1);
      const session = await shards.session(vdisk, layout, 1);
      const range = (from: number, to: number): number[] => [...Array(to).keys()].slice(from);
      const before = await dataKeys(shards, 1, vdisk);
      await shards.store(session, layout, new Map(range(0, 200).map((block) => [block, null])));
      await shards.store(session, layout, new Map([[7, null]]));
      assert.deepEqual(await dataKeys(shards, 1, vdisk), before);
      await shards.store(session, layout, new Map(range(0, 200).map((b) => [b, Buffer.alloc(4096, 1)])));
      for (const part of [range(0, 7), range(7, 8), range(8, 100), range(100, 199), [199]])
        await shards.store(session, layout, new Map(part.map((block) => [block, null])));
      assert.deepEqual(await session.storedAtMost(10, layout.bitCount(BLOCKS, 1)), []);
      assert.equal(
        (await dataKeys(shards, 1, vdisk)).filter((key) => !key.startsWith('salvor:sums:')).length,
        0,
      );
    });

    it('says no more of stored blocks when there are more than asked for', async () => {
      const vdisk = shards.newVdisk();
      const layout = make(vdisk, 4096, 1);
      const session = await shards.session(vdisk, layout);
      await shards.store(session, layout, new Map([1, 2, 3].map((block) => [block, Buffer.alloc(4096, 1)])));
      assert.equal(await session.storedAtMost(2, layout.bitCount(BLOCKS, 1)), null);
      assert.equal((await session.storedAtMost(3, layout.bitCount(BLOCKS, 1)))?.length, 3);
    });

    it('refuses a key of another type with the words of the engine', async () => {
      const vdisk = shards.newVdisk();
      const layout = make(vdisk, 4096, 1);
      const session = await shards.session(vdisk, layout, 2);
      await shards.store(session, layout, new Map([[0, Buffer.alloc(4096, 1)]]));
      const [key] = (await dataKeys(shards, 2, vdisk)).filter((name) => !name.startsWith('salvor:sums:'));
      assert.ok(key !== undefined);
      await shards.cli(2, 'DEL', key);
      await shards.cli(2, 'RPUSH', key, 'x');
      await assert.rejects(session.readBlocks([0, 1, 40]), {
        code: 'engine-refused-command',
        message: /WRONGTYPE/,
      });
      await shards.cli(2, 'DEL', key);
      assert.deepEqual(await session.readBlocks([0]), [null]);
    });

    const devices = [
      { blockSizeBytes: 512, shards: 1, rip: [] },
      { blockSizeBytes: 4096, shards: 2, rip: [] },
      { blockSizeBytes: 4096, shards: 5, rip: [] },
      { blockSizeBytes: 4096, shards: 5, rip: [1, 4] },
      { blockSizeBytes: 32_768, shards: 3, rip: [0] },
    ];
    for (const { blockSizeBytes, shards: count, rip } of devices) {
      const where = `${count} shards${rip.length > 0 ? `, ${rip.join(' and ')} of them rip` : ''}`;
      it(`is a plain array of bytes, of any alignment: ${blockSizeBytes} byte blocks on ${where}`, async () => {
        const bytes = 300 * blockSizeBytes;
        await fc.assert(
          fc.asyncProperty(
            fc.array(changes(bytes, blockSizeBytes), { minLength: 1, maxLength: 12 }),
            async (list) => {
              const vdisk = shards.newVdisk();
              const layout = make(vdisk, blockSizeBytes, count);
              const device = await shards.device(vdisk, layout, { shards: count, blocks: 300, rip });
              const model = Buffer.alloc(bytes);
              for (const { at, length, fill } of list) {
                if (fill === 0) await device.zero(at, length);
                else await device.write(at, Buffer.alloc(length, fill));
                model.fill(fill, at, at + length);
                const from = Math.max(0, at - 700);
                const to = Math.min(bytes, at + length + 700);
                assert.ok((await device.read(from, to - from)).equals(model.subarray(from, to)));
              }
              assert.ok((await device.read(0, bytes)).equals(model));
              let position = 0;
              while (position < bytes) {
                for (const { lengthBytes, allocated } of await device.extents(position, bytes - position)) {
                  if (!allocated) assert.ok(isZero(model.subarray(position, position + lengthBytes)));
                  position += lengthBytes;
                }
              }
              assert.deepEqual(await storedOn(shards, vdisk, layout, count), nonZero(model, blockSizeBytes));
            },
          ),
          { numRuns: 8, seed: testSeed() },
        );
      });
    }
  });
}

/** Changes at any place; often neighbours of block borders, often long. */
function changes(
  bytes: number,
  blockSizeBytes: number,
): fc.Arbitrary<{ at: number; length: number; fill: number }> {
  const place = fc.oneof(
    fc.nat({ max: bytes - 1 }),
    fc.nat({ max: Math.floor((bytes - 1) / blockSizeBytes) }).map((block) => block * blockSizeBytes),
  );
  const length = fc.oneof(
    fc.integer({ min: 1, max: 3 * blockSizeBytes }),
    fc.integer({ min: 1, max: 100 }).map((blocks) => blocks * blockSizeBytes),
  );
  return fc
    .record({ at: place, length, fill: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 255 })) })
    .map((change) => ({ ...change, length: Math.min(change.length, bytes - change.at) }));
}

/** Blocks that the engines store, over all shards. */
async function storedOn(
  shards: Shards,
  vdisk: string,
  layout: BlockLayout,
  count: number,
): Promise<number[]> {
  const all: number[] = [];
  for (let db = 0; db < count; db++) {
    const session = await shards.session(vdisk, layout, db);
    all.push(...((await session.storedAtMost(10_000, layout.bitCount(BLOCKS, count))) ?? []));
    session.close();
  }
  return all.sort((a, b) => a - b);
}

function nonZero(model: Buffer, blockSizeBytes: number): number[] {
  const blocks = [...Array(model.length / blockSizeBytes).keys()];
  return blocks.filter((b) => !isZero(model.subarray(b * blockSizeBytes, (b + 1) * blockSizeBytes)));
}

/** Keys of a vdisk that hold blocks. */
async function dataKeys(shards: Shards, db: number, vdisk: string): Promise<string[]> {
  const all = await shards.keys(db, '');
  return all.filter(
    (key) => new RegExp(`:${vdisk}(:|$)`).test(key) && !/^salvor:(epoch|writes|dirty):/.test(key),
  );
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function filled(length: number, random: SeededRandom): Buffer {
  const data = Buffer.alloc(length, 1 + random.below(255));
  data.writeUInt32LE(random.below(2 ** 32), random.below(length - 4));
  return data;
}
