import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { xxh64 } from '@node-rs/xxhash';
import { SeededRandom, testSeed } from '@salvor/testkit';
import { type Removal, removeVdisk } from '../../src/census/vdisk-removal.ts';
import { EngineControl } from '../../src/engine-control.ts';
import type { EngineSession } from '../../src/engine-session.ts';
import { VolumeLayout } from '../../src/layout/volume.ts';
import { Frame } from '../../src/resp.ts';
import { identityOf, Shards } from './shards.ts';

const BLOCK_BYTES = 4096;
const RECORD_BYTES = BLOCK_BYTES + 8;
const CHUNK_BLOCKS = 15;
const EXTENT_BLOCKS = 60;
const CHUNK_BYTES = CHUNK_BLOCKS * RECORD_BYTES + 1;

let shards: Shards;

before(async () => {
  shards = await Shards.start();
});

after(async () => {
  await shards?.stop();
});

interface Volume {
  readonly vdisk: string;
  readonly layout: VolumeLayout;
  readonly session: EngineSession;
  store(...blocks: (readonly [number, Buffer | null])[]): Promise<void>;
}

async function newVolume(shardCount = 1): Promise<Volume> {
  const vdisk = shards.newVdisk();
  const layout = new VolumeLayout(vdisk, BLOCK_BYTES, shardCount);
  const session = await shards.session(vdisk, layout);
  return {
    vdisk,
    layout,
    session,
    store: (...blocks) => shards.store(session, layout, new Map(blocks)),
  };
}

function block(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

async function get(session: EngineSession, key: string): Promise<Buffer | null> {
  const [value] = await session.request(new Frame().command('GET', key));
  return Buffer.isBuffer(value) ? value : null;
}

async function setRange(session: EngineSession, key: string, at: number, bytes: Buffer): Promise<void> {
  await session.transact(new Frame().command('SETRANGE', key, at, bytes));
}

describe('what the native layout writes', () => {
  it('is records of checksum and block in chunks that have their whole size at once, and a page of checksums', async () => {
    const { vdisk, session, store } = await newVolume();
    await store([17, block(9)]);
    const sum = Buffer.alloc(8);
    sum.writeBigUInt64LE(xxh64(block(9)));
    const expected = Buffer.alloc(CHUNK_BYTES);
    sum.copy(expected, 2 * RECORD_BYTES);
    block(9).copy(expected, 2 * RECORD_BYTES + 8);
    expected[CHUNK_BYTES - 1] = 1;
    assert.deepEqual(await get(session, `salvor:chunk:${vdisk}:1`), expected);
    const page = Buffer.alloc(18 * 8);
    sum.copy(page, 17 * 8);
    assert.deepEqual(await get(session, `salvor:sums:${vdisk}:0:0`), page);
    assert.deepEqual(await shards.keys(0, `salvor:chunk:${vdisk}:`), [`salvor:chunk:${vdisk}:1`]);
  });

  it('keeps extents together on a shard, and the checksums of a shard packed', async () => {
    const { vdisk, layout, session, store } = await newVolume(3);
    assert.deepEqual(
      [0, EXTENT_BLOCKS - 1, EXTENT_BLOCKS, 3 * EXTENT_BLOCKS].map((b) => layout.placedBy(b)),
      [0, 0, 1, 3],
    );
    const last = EXTENT_BLOCKS - 1;
    await store([last, block(1)], [3 * EXTENT_BLOCKS, block(2)]);
    const page = await get(session, `salvor:sums:${vdisk}:0:0`);
    assert.equal(page?.readBigUInt64LE(last * 8), xxh64(block(1)));
    assert.equal(page?.readBigUInt64LE((last + 1) * 8), xxh64(block(2)));
  });

  it('takes no more memory than a full chunk needs, in whatever order its blocks come', async () => {
    const random = new SeededRandom(testSeed());
    const { vdisk, session, store } = await newVolume();
    const order = [...Array(CHUNK_BLOCKS).keys()].sort(() => random.below(3) - 1);
    for (const at of order) await store([at, block(at + 1)]);
    const [bytes] = await session.request(new Frame().command('MEMORY', 'USAGE', `salvor:chunk:${vdisk}:0`));
    assert.ok(Number(bytes) < 66_000, `a chunk takes ${String(bytes)} bytes`);
  });

  it('has the same checksums in the map as with the data, after any changes', async () => {
    const random = new SeededRandom(testSeed());
    const { vdisk, session, store } = await newVolume();
    for (let round = 0; round < 40; round++) {
      const first = random.below(100);
      const batch = Array.from({ length: 1 + random.below(30) }, (_, i) => {
        const data = random.below(3) === 0 ? null : block(1 + random.below(255));
        return [first + i, data] as const;
      });
      await store(...batch);
    }
    const page = (await get(session, `salvor:sums:${vdisk}:0:0`)) ?? Buffer.alloc(0);
    for (let at = 0; at < 130; at++) {
      const chunk = await get(session, `salvor:chunk:${vdisk}:${Math.floor(at / CHUNK_BLOCKS)}`);
      const record = (at % CHUNK_BLOCKS) * RECORD_BYTES;
      const inMap = at * 8 < page.length ? page.readBigUInt64LE(at * 8) : 0n;
      assert.equal(inMap, chunk?.readBigUInt64LE(record) ?? 0n, `block ${at}`);
    }
  });

  it('never makes a chunk or a page for zeros', async () => {
    const { vdisk, store } = await newVolume();
    await store([3, null], [4, null], ...[...Array(40).keys()].map((i) => [i + 100, null] as const));
    assert.deepEqual(await shards.keys(0, `salvor:chunk:${vdisk}`), []);
    assert.deepEqual(await shards.keys(0, `salvor:sums:${vdisk}`), []);
  });
});

describe('what a foreign hand did to a volume', () => {
  const corrupt = (blocks: number[]) => ({
    code: 'engine-corrupt',
    blocks,
    message: new RegExp(`expected blocks that match their checksums, found others: ${blocks.join(', ')}`),
  });

  it('a changed byte of a block is answered as an error, and its neighbours as they are', async () => {
    const { vdisk, session, store } = await newVolume();
    await store(...[0, 1, 2, 3].map((i) => [i, block(i + 1)] as const));
    for (const at of [8, 8 + 2048, RECORD_BYTES - 1, 0, 7]) {
      await setRange(session, `salvor:chunk:${vdisk}:0`, RECORD_BYTES + at, Buffer.of(0xee));
      await assert.rejects(session.readBlocks([0, 1, 2]), corrupt([1]));
      const [zero, two, three] = await session.readBlocks([0, 2, 3]);
      assert.deepEqual([zero?.[0], two?.[0], three?.[0]], [1, 3, 4]);
      await store([1, block(2)]);
      assert.deepEqual(await session.readBlocks([1]), [block(2)]);
    }
  });

  it('one corrupt block fails only the requests that read it', async () => {
    const { vdisk, session, store } = await newVolume();
    await store([0, block(1)], [20, block(2)], [40, block(3)]);
    await setRange(session, `salvor:chunk:${vdisk}:1`, 5 * RECORD_BYTES + 8, Buffer.of(0));
    const reads = await Promise.allSettled([[0], [20], [40, 20], [40]].map((b) => session.readBlocks(b)));
    assert.deepEqual(
      reads.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
  });

  it('a chunk that is cut off: whole records are read, the cut one is corrupt, the rest are holes', async () => {
    const { vdisk, session, store } = await newVolume();
    const key = `salvor:chunk:${vdisk}:0`;
    await store(...[0, 1, 2].map((i) => [i, block(i + 1)] as const));
    const value = (await get(session, key)) ?? assert.fail();
    await session.transact(new Frame().command('SET', key, value.subarray(0, RECORD_BYTES + 100)));
    await assert.rejects(session.readBlocks([0, 1, 2]), corrupt([1]));
    assert.deepEqual(await session.readBlocks([0, 2]), [block(1), null]);
    await store([1, block(7)]);
    assert.deepEqual(await session.readBlocks([0, 1, 2]), [block(1), block(7), null]);
  });

  it('a value of something else is corrupt, and replaced by the next write of the chunk', async () => {
    const { vdisk, session, store } = await newVolume();
    await session.transact(new Frame().command('SET', `salvor:chunk:${vdisk}:0`, 'hello'));
    await assert.rejects(session.readBlocks([0]), corrupt([0]));
    await store(...[...Array(CHUNK_BLOCKS).keys()].map((i) => [i, block(i + 1)] as const));
    assert.equal((await session.readBlocks([14]))[0]?.[0], 15);
    assert.equal((await get(session, `salvor:chunk:${vdisk}:0`))?.length, CHUNK_BYTES);
  });
});

describe('deleting a volume', () => {
  const control = <T>(work: (engine: EngineControl) => Promise<T>): Promise<T> =>
    EngineControl.with({ address: shards.engine.address, db: 0, timeoutMs: 5_000 }, work);

  const remove = (vdisk: string, untilEpoch: string): Promise<Removal> => {
    const identity = identityOf(0);
    const { address } = shards.engine;
    return removeVdisk({ vdisk, untilEpoch, identity, address, db: 0, timeoutMs: 5_000, search: true });
  };

  it('removes every key of it, and none of a vdisk whose id begins alike', async () => {
    const { vdisk, session, store } = await newVolume();
    const neighbour = `${vdisk}:1`;
    const layout = new VolumeLayout(neighbour, BLOCK_BYTES, 1);
    const other = await shards.session(neighbour, layout);
    const all = [...Array(3000).keys()].map((i) => [i * CHUNK_BLOCKS, block(1)] as const);
    await store(...all);
    await shards.store(other, layout, new Map([[5, block(4)]]));
    await session.transact(new Frame().command('HSET', `salvor:writes:${vdisk}`, 'seq', 1));
    assert.equal(await control((engine) => engine.blockCount(vdisk)), 3000);
    const { keys: removed } = await remove(vdisk, '7');
    assert.ok(removed > 3000);
    assert.equal(await control((engine) => engine.blockCount(vdisk)), 0);
    const left = await shards.keys(0, `salvor:*:${vdisk}`);
    assert.deepEqual(
      left.map((key) => key.includes(neighbour)),
      left.map(() => true),
    );
    assert.deepEqual(await other.readBlocks([5]), [block(4)]);
  });

  it('leaves one that was created anew under its id alone', async () => {
    const { vdisk, session, store } = await newVolume();
    await store([5, block(4)]);
    assert.equal((await remove(vdisk, '6')).outcome, 'newer');
    assert.deepEqual(await session.readBlocks([5]), [block(4)]);
  });
});
