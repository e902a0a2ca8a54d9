import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EngineLink } from '@salvor/testkit';
import { VolumeLayout } from '../src/layout/volume.ts';
import { PairHarness, TestEngine, until } from './pair-harness.ts';

const BLOCK_BYTES = 4096;
const RECORD_BYTES = BLOCK_BYTES + 8;
const CHUNK_BLOCKS = 15;

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startEngine(): Promise<TestEngine> {
  const engine = await TestEngine.start();
  engines.push(engine);
  return engine;
}

const newLayout = (): VolumeLayout => new VolumeLayout('v1', BLOCK_BYTES, 1);

async function startPair(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([startEngine(), startEngine()]);
  return { a, b, h: await new PairHarness(a, b, { layout: newLayout() }).mount() };
}

async function withLink<T>(engine: TestEngine, work: (link: EngineLink) => Promise<T>): Promise<T> {
  const link = await EngineLink.open(engine.port);
  try {
    return await work(link);
  } finally {
    link.close();
  }
}

/** Changes a byte of a stored block behind everybody's back. */
function spoil(engine: TestEngine, block: number): Promise<unknown> {
  const at = (block % CHUNK_BLOCKS) * RECORD_BYTES + 8 + 1000;
  return withLink(engine, (link) =>
    link.send('SETRANGE', `salvor:chunk:v1:${Math.floor(block / CHUNK_BLOCKS)}`, String(at), 'rotten'),
  );
}

/** Every value of the vdisk's chunks and map, byte for byte. */
function everything(engine: TestEngine): Promise<Map<string, Buffer>> {
  return withLink(engine, async (link) => {
    const found = new Map<string, Buffer>();
    for (const pattern of ['salvor:chunk:*', 'salvor:sums:*']) {
      const keys = await link.send('KEYS', pattern);
      for (const key of Array.isArray(keys) ? keys.map(String).sort() : []) {
        const value = await link.sendRaw('GET', key);
        found.set(key, Buffer.isBuffer(value) ? value : assert.fail(key));
      }
    }
    return found;
  });
}

async function assertSame(a: TestEngine, b: TestEngine): Promise<void> {
  const [first, second] = [await everything(a), await everything(b)];
  assert.ok(first.size > 0);
  assert.deepEqual([...second.keys()], [...first.keys()]);
  for (const [key, value] of first) assert.ok(second.get(key)?.equals(value), key);
}

test('a volume is byte for byte the same on both engines', async () => {
  const { a, b, h } = await startPair();
  await Promise.all([...Array(200).keys()].map((block) => h.write(block, 1 + (block % 250))));
  await Promise.all([...Array(30).keys()].map((i) => h.write(i * 5, 0)));
  await h.write(0, 0);
  await assertSame(a, b);
  h.pair.close(new Error('done'));
});

test('a volume whose engine died and came back gets what it missed, holes too', async () => {
  const { a, b, h } = await startPair();
  for (const block of [0, 1, 20, 61, 300]) await h.write(block, 1);
  await a.kill();
  await until(() => h.failures.length === 1, 'the failure is noticed');
  h.record(a.address, 'offline');
  await Promise.all([h.write(1, 2), h.write(20, 0), h.write(62, 3), h.write(900, 4)]);
  await a.start();
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair completes');
  assert.equal(h.repairs[0]?.dirtyBlocks, 4);
  assert.deepEqual(
    await Promise.all([0, 1, 20, 61, 62, 300, 900].map((block) => h.read(block))),
    [1, 2, 0, 1, 3, 1, 4],
  );
  for (const block of [0, 1, 20, 61, 62, 300, 900]) {
    const stored = await Promise.all(
      h.pair.members.map(async (member) => (await member.open()).readBlocks([block])),
    );
    assert.deepEqual(stored[0], stored[1]);
  }
  assert.equal(await b.cli('EXISTS', 'salvor:dirty:v1'), '0');
  h.pair.close(new Error('done'));
});

test('a volume whose engine is lost is rebuilt on a spare', async () => {
  const { a, b, h } = await startPair();
  await Promise.all([...Array(100).keys()].map((i) => h.write(i * 7, 1 + i)));
  await a.kill();
  await until(() => h.failures.length === 1, 'the failure is noticed');
  h.record(a.address, 'offline');
  const spare = await startEngine();
  h.repairFinal(spare);
  await until(() => h.repairs.length === 1, 'the rebuild completes');
  await assertSame(b, spare);
  h.pair.close(new Error('done'));
});

test('a block that rotted on one engine is read from the other, reported, and put right', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 40; block++) await h.write(block, 1 + block);
  await spoil(a, 17);
  await spoil(a, 31);
  const [found] = await Promise.all([h.pair.read([16, 17, 18, 31, 39]), h.pair.read([3])]);
  assert.deepEqual(
    found.map((data) => data?.equals(Buffer.alloc(BLOCK_BYTES, data[0])) && data[0]),
    [17, 18, 19, 32, 40],
  );
  assert.deepEqual(h.corrupt, [{ address: a.address, blocks: [17, 31], lost: [] }]);
  await h.write(100, 1);
  await assertSame(a, b);
  assert.equal(await h.read(17), 18);
  assert.equal(h.corrupt.length, 1);
  assert.deepEqual(h.failures, []);
  h.pair.close(new Error('done'));
});

test('a change to a part of a block that rotted goes on from what the other engine holds', async () => {
  const { a, b, h } = await startPair();
  await h.write(4, 9);
  await spoil(a, 4);
  await h.pair.write([{ block: 4, data: Buffer.alloc(512, 3), part: { at: 512, length: 512 } }]);
  const [data] = await h.pair.read([4]);
  assert.deepEqual([data?.[0], data?.[600], data?.[1024], data?.[1004]], [9, 3, 9, 3]);
  await assertSame(a, b);
  h.pair.close(new Error('done'));
});

test('a block that rotted on both engines is an error for who asks for it, until it is written whole', async () => {
  const { a, b, h } = await startPair();
  await h.write(4, 9);
  await h.write(5, 8);
  await Promise.all([spoil(a, 4), spoil(b, 4)]);
  const refusal = { code: 'corrupt-block', nbdErrno: 5 };
  await assert.rejects(h.pair.read([4, 5]), refusal);
  assert.equal(await h.read(5), 8);
  const part = (block: number): Promise<void> =>
    h.pair.write([{ block, data: Buffer.alloc(512, 3), part: { at: 0, length: 512 } }]);
  const [rotten, sound] = await Promise.allSettled([part(4), part(5)]);
  assert.equal(rotten.status, 'rejected');
  assert.equal(sound.status, 'fulfilled');
  assert.deepEqual(
    h.corrupt,
    [a, b].map(({ address }) => ({ address, blocks: [4], lost: [4] })),
  );
  assert.equal(h.pair.mode.kind, 'mirrored');
  await h.write(4, 7);
  assert.equal(await h.read(4), 7);
  h.pair.close(new Error('done'));
});

test('a repair whose source has a rotten block completes; that block stays an error on both, never data', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 30; block++) await h.write(block, 1 + block);
  await a.kill();
  await until(() => h.failures.length === 1, 'the failure is noticed');
  h.record(a.address, 'offline');
  await h.write(12, 77);
  await h.write(13, 78);
  await spoil(b, 12);
  await a.start();
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair completes');
  assert.equal(h.pair.mode.kind, 'mirrored');
  assert.equal(await h.read(13), 78);
  await assert.rejects(h.pair.read([12]), { code: 'corrupt-block' });
  await h.write(12, 79);
  assert.equal(await h.read(12), 79);
  h.pair.close(new Error('done'));
});
