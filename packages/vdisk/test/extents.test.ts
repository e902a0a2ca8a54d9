import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { EXTENT_BLOCKS_MAX, type ExtentsQuery, findExtents, LISTED_BLOCKS_MAX } from '../src/extents.ts';
import { DataPlane } from './data-plane.ts';

const BLOCK_BYTES = 4096;

/** Shards by block mod N that count what they are asked. */
class Shards {
  readonly stored: ReadonlySet<number>;
  readonly count: number;
  asked = 0;
  listed = 0;

  constructor(stored: Iterable<number>, count = 3) {
    this.stored = new Set(stored);
    this.count = count;
  }

  query(offsetBytes: number, lengthBytes: number): ExtentsQuery {
    const shards = Array.from({ length: this.count }, (_, shard) => ({
      stored: async (blocks: readonly number[]) => {
        this.asked += blocks.length;
        assert.ok(blocks.every((block) => block % this.count === shard));
        return blocks.map((block) => this.stored.has(block));
      },
      storedAtMost: async (most: number) => {
        // Some of another shard's: left over from before a change of placement.
        const own = [...this.stored].filter((block) => block % this.count === shard);
        const all = [...own, shard + 1];
        if (all.length > most) return null;
        this.listed += all.length;
        return all;
      },
    }));
    return {
      offsetBytes,
      lengthBytes,
      blockSizeBytes: BLOCK_BYTES,
      shards,
      shardOf: (block) => block % this.count,
    };
  }
}

describe('findExtents', () => {
  it('tells of every byte of what it covers whether its block is stored', async () => {
    const anyBlocks = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 });
    const anyRange = fc.record({
      offsetBytes: fc.integer({ min: 0, max: 60 * BLOCK_BYTES }),
      lengthBytes: fc.integer({ min: 1, max: 60 * BLOCK_BYTES }),
    });
    await fc.assert(
      fc.asyncProperty(anyBlocks, anyRange, async (blocks, { offsetBytes, lengthBytes }) => {
        const shards = new Shards(blocks);
        const extents = await findExtents(shards.query(offsetBytes, lengthBytes));
        let at = offsetBytes;
        for (const [i, extent] of extents.entries()) {
          assert.ok(extent.lengthBytes > 0);
          assert.notEqual(extents[i - 1]?.allocated, extent.allocated, 'neighbours are merged');
          for (let byte = at; byte < at + extent.lengthBytes; byte += 512) {
            assert.equal(extent.allocated, shards.stored.has(Math.floor(byte / BLOCK_BYTES)));
          }
          at += extent.lengthBytes;
        }
        assert.equal(at, offsetBytes + lengthBytes);
      }),
    );
  });

  it('covers a range of any size with a few questions where little is stored', async () => {
    const shards = new Shards([5, 900_000]);
    const lengthBytes = 2 ** 32 - BLOCK_BYTES;
    assert.deepEqual(await findExtents(shards.query(0, lengthBytes)), [
      { lengthBytes: 5 * BLOCK_BYTES, allocated: false },
      { lengthBytes: BLOCK_BYTES, allocated: true },
      { lengthBytes: (900_000 - 6) * BLOCK_BYTES, allocated: false },
      { lengthBytes: BLOCK_BYTES, allocated: true },
      { lengthBytes: lengthBytes - 900_001 * BLOCK_BYTES, allocated: false },
    ]);
    assert.equal(shards.asked, 0);
  });

  it('asks for a bounded number of blocks where much is stored', async () => {
    const shards = new Shards(
      Array.from({ length: 2 * LISTED_BLOCKS_MAX }, (_, i) => i),
      1,
    );
    const extents = await findExtents(shards.query(100, 2 ** 31));
    assert.deepEqual(extents, [{ lengthBytes: EXTENT_BLOCKS_MAX * BLOCK_BYTES - 100, allocated: true }]);
    assert.equal(shards.asked, EXTENT_BLOCKS_MAX);
    assert.equal(shards.listed, 0);
  });

  it('asks for the blocks of a small range rather than have everything listed', async () => {
    const shards = new Shards(Array.from({ length: 300 }, (_, i) => 2 * i));
    const extents = await findExtents(shards.query(BLOCK_BYTES, 2 * BLOCK_BYTES));
    assert.deepEqual(
      extents.map(({ allocated }) => allocated),
      [false, true],
    );
    assert.deepEqual([shards.asked, shards.listed], [2, 0]);
  });
});

describe('the extents of a mounted vdisk', () => {
  let plane: DataPlane;

  before(async () => {
    plane = await DataPlane.start({ shards: 3 });
  });

  after(async () => {
    await plane?.[Symbol.asyncDispose]();
  });

  it('follow writes and zeroes, whether blocks are listed or asked for', async () => {
    await plane.addVdisk('thin');
    const mounted = await plane.mount('thin');
    const { device } = mounted.vdisk;
    const { sizeBytes } = device.geometry;
    assert.deepEqual(await device.extents(0, sizeBytes), [{ lengthBytes: sizeBytes, allocated: false }]);
    assert.equal(await device.readStored(0, 10 * BLOCK_BYTES), null);

    await device.write(5 * BLOCK_BYTES + 1, Buffer.alloc(2 * BLOCK_BYTES, 1));
    const [hole, data] = [
      { lengthBytes: 5 * BLOCK_BYTES, allocated: false },
      { lengthBytes: 3 * BLOCK_BYTES, allocated: true },
    ];
    const rest = { lengthBytes: sizeBytes - 8 * BLOCK_BYTES, allocated: false };
    assert.deepEqual(await device.extents(0, sizeBytes), [hole, data, rest]);
    assert.deepEqual(await device.extents(6 * BLOCK_BYTES + 7, 10), [{ lengthBytes: 10, allocated: true }]);

    const stored = await device.readStored(4 * BLOCK_BYTES, 2 * BLOCK_BYTES);
    assert.equal(stored?.[BLOCK_BYTES + 1], 1);
    assert.equal(stored?.readUInt8(BLOCK_BYTES), 0);

    await device.zero(5 * BLOCK_BYTES, 3 * BLOCK_BYTES);
    assert.deepEqual(await device.extents(BLOCK_BYTES, 9 * BLOCK_BYTES), [
      { lengthBytes: 9 * BLOCK_BYTES, allocated: false },
    ]);
    await device.write(0, Buffer.alloc(40 * BLOCK_BYTES, 2));
    const few = await Promise.all([device.extents(0, BLOCK_BYTES), device.extents(39 * BLOCK_BYTES, 8192)]);
    assert.deepEqual(few.flat(), [
      { lengthBytes: BLOCK_BYTES, allocated: true },
      { lengthBytes: BLOCK_BYTES, allocated: true },
      { lengthBytes: BLOCK_BYTES, allocated: false },
    ]);
    await assert.rejects(device.extents(sizeBytes, 1), { code: 'out-of-range' });
    await mounted.vdisk.unmount();
    await assert.rejects(device.extents(0, 1));
  });
});
