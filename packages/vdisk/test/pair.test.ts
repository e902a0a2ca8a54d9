import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EngineControl } from '../src/engine-control.ts';
import { mountPair } from '../src/pair-mount.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startEngine(): Promise<TestEngine> {
  const engine = await TestEngine.start();
  engines.push(engine);
  return engine;
}

async function startPair(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([startEngine(), startEngine()]);
  return { a, b, h: await new PairHarness(a, b).mount() };
}

async function waitRepaired(h: PairHarness, count = 1): Promise<void> {
  await until(
    () => h.repairs.length >= count,
    `repair ${count} completes (mode ${h.pair.mode.kind}: ${h.pair.mode.reason})`,
  );
}

test('a write is on both engines before it is acknowledged, zeros are absent fields', async () => {
  const { a, b, h } = await startPair();
  await h.write(3, 0x11);
  await h.write(4, 0x22);
  await h.write(4, 0);
  assert.deepEqual(await stored(a), new Map([[3, 0x11]]));
  assert.deepEqual(await stored(b), await stored(a));
  assert.equal(await h.read(3), 0x11);
  assert.equal(await h.read(4), 0);
  h.pair.close(new Error('done'));
});

test('partial writes merge with what is there, in order of arrival', async () => {
  const { b, h } = await startPair();
  await h.write(1, 0x10);
  const part = (at: number, fill: number): Promise<void> =>
    h.pair.write([{ block: 1, data: Buffer.alloc(512, fill), part: { at, length: 512 } }]);
  await Promise.all([part(0, 0x21), part(512, 0x22), part(256, 0x23)]);
  const [data] = await h.pair.read([1]);
  assert.deepEqual(
    [0, 255, 256, 767, 768, 1023, 1024].map((i) => data?.[i]),
    [0x21, 0x21, 0x23, 0x23, 0x22, 0x22, 0x10],
  );
  assert.equal((await stored(b)).get(1), 0x21);
  h.pair.close(new Error('done'));
});

test('a dead engine: reads go on at once, writes wait until etcd records it, then mark what they write', async () => {
  const { a, b, h } = await startPair();
  await h.write(1, 0x11);
  await a.kill();
  await until(() => h.failures.length === 1, 'the failure is noticed without any I/O');
  assert.deepEqual(h.failures[0], { address: a.address, fault: 'unreachable' });
  assert.equal(await h.read(1), 0x11);
  let acknowledged = false;
  const write = h.write(2, 0x22).then(() => {
    acknowledged = true;
  });
  assert.equal(await h.read(1), 0x11);
  assert.equal(h.pair.mode.kind, 'holding');
  assert.equal(acknowledged, false);
  h.record(a.address, 'offline');
  await write;
  assert.equal(h.pair.mode.kind, 'alone');
  assert.equal(await b.cli('BITCOUNT', 'salvor:dirty:v1'), '1');
  assert.equal(await b.cli('GETBIT', 'salvor:dirty:v1', '2'), '1');
  assert.deepEqual(h.proposals, []);
  h.pair.close(new Error('done'));
});

test('when nobody records the failure, the owner proposes it itself', async () => {
  const { a, h } = await startPair();
  await a.kill();
  await h.write(2, 0x22);
  assert.deepEqual(h.proposals, [a.address]);
  h.pair.close(new Error('done'));
});

test('a temporary outage: exactly the dirty blocks come back, while clients go on writing', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 200; block++) await h.write(block, 1 + (block % 200));
  await a.kill();
  h.record(a.address, 'offline');
  for (let block = 50; block < 150; block++) await h.write(block, 0xaa);
  await h.write(10, 0);
  await a.start();
  h.repairTemporary(a.address);
  const writes = Array.from({ length: 60 }, (_, i) => h.write(300 + i, 0xbb));
  await Promise.all(writes);
  await waitRepaired(h);
  const [outcome] = h.repairs;
  assert.equal(outcome?.dirtyBlocks, outcome?.copiedBlocks);
  assert.ok(outcome !== undefined && outcome.dirtyBlocks >= 101 && outcome.dirtyBlocks <= 161);
  h.record(a.address, 'online');
  assert.equal(h.pair.mode.kind, 'mirrored');
  await h.write(999, 0xcc);
  assert.deepEqual(await stored(a), await stored(b));
  assert.equal(await b.cli('EXISTS', 'salvor:dirty:v1'), '0');
  h.pair.close(new Error('done'));
});

test('an engine that lost its tail is never served from, and gets exactly the lost blocks back', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 100; block++) await h.write(block, 0x11);
  const cutBack = a.mark();
  for (let block = 40; block < 60; block++) await h.write(block, 0x22);
  await a.kill();
  cutBack();
  await a.start();
  await until(() => h.failures.length === 1, 'the lost tail is noticed');
  assert.match(h.failures[0]?.fault ?? '', /tail-lost|unreachable|loading/);
  assert.equal(await h.read(45), 0x22);
  h.record(a.address, 'offline');
  await h.write(70, 0x33);
  h.repairTemporary(a.address);
  await waitRepaired(h);
  assert.equal(h.repairs[0]?.dirtyBlocks, 21);
  assert.equal(h.repairs[0]?.copiedBlocks, 21);
  h.record(a.address, 'online');
  assert.deepEqual(await stored(a), await stored(b));
  assert.equal(await h.read(45), 0x22);
  h.pair.close(new Error('done'));
});

test('an engine that comes back empty fails its identity check', async () => {
  const { a, h } = await startPair();
  await h.write(1, 0x11);
  await a.kill();
  await until(() => h.failures.length === 1, 'the failure is noticed');
  a.wipe();
  await a.start();
  h.record(a.address, 'offline');
  h.repairTemporary(a.address);
  await until(() => h.failures.length === 2, 'the empty engine is refused');
  assert.equal(h.failures[1]?.fault, 'identity-lost');
  assert.equal(await h.read(1), 0x11);
  h.pair.close(new Error('done'));
});

test('a final outage: every block is rebuilt on a spare', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 300; block += 3) await h.write(block, 0x41);
  await a.kill();
  h.record(a.address, 'offline');
  await h.write(5, 0x42);
  const spare = await startEngine();
  h.repairFinal(spare);
  await Promise.all(Array.from({ length: 50 }, (_, i) => h.write(600 + i, 0x43)));
  await waitRepaired(h);
  const [outcome] = h.repairs;
  assert.equal(outcome?.kind, 'repair-final-outage');
  assert.equal(outcome?.dirtyBlocks, 1000);
  assert.equal(outcome?.copiedBlocks, 1000);
  h.record(spare.address, 'online');
  await h.write(7, 0x44);
  assert.deepEqual(await stored(spare), await stored(b));
  h.pair.close(new Error('done'));
});

test('a second failure during the repair: the repair starts over where it was', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 500; block++) await h.write(block, 0x51);
  await a.kill();
  h.record(a.address, 'offline');
  for (let block = 0; block < 500; block++) await h.write(block, 0x52);
  await a.start();
  const { copied } = h.pair;
  let steps = 0;
  let goOn = (): void => {};
  const isDown = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  h.pair.copied = async (...args) => {
    if (steps++ > 0) await isDown;
    await copied.apply(h.pair, args);
  };
  h.repairTemporary(a.address, 1);
  await until(async () => Number(await b.cli('BITCOUNT', 'salvor:dirty:v1')) < 490, 'the copy is under way');
  await a.kill();
  goOn();
  await h.write(3, 0x53);
  h.record(a.address, 'offline');
  await a.start();
  h.repairTemporary(a.address, 2);
  await waitRepaired(h);
  assert.equal(h.repairs.at(-1)?.attempt, 2);
  h.record(a.address, 'online');
  await h.write(800, 0x54);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('an owner that was deposed writes nothing and serves nothing', async () => {
  const { a, b, h } = await startPair();
  await h.write(1, 0x11);
  const next = await new PairHarness(a, b, { epoch: '9' }).mount();
  await next.write(1, 0x22);
  await assert.rejects(h.write(1, 0x33));
  await assert.rejects(h.read(1));
  assert.ok(h.fences.length > 0);
  assert.equal(await next.read(1), 0x22);
  assert.deepEqual(await stored(a), new Map([[1, 0x22]]));
  assert.deepEqual(await stored(b), await stored(a));
  next.pair.close(new Error('done'));
});

test('a mount levels the one batch that a dying owner left on one engine only', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 10; block++) await h.write(block, 0x11);
  const cutBack = b.mark();
  await h.write(5, 0x22);
  h.pair.close(new Error('died'));
  await b.kill();
  cutBack();
  await b.start();
  const next = await new PairHarness(a, b, { epoch: '8' }).mount();
  assert.deepEqual(next.failures, []);
  assert.equal(await next.read(5), 0x22);
  assert.deepEqual(await stored(b), await stored(a));
  next.pair.close(new Error('done'));
});

test('a mount finds a member that lost more, and treats it as an outage', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 10; block++) await h.write(block, 0x11);
  const cutBack = a.mark();
  for (let block = 0; block < 5; block++) await h.write(block, 0x22);
  h.pair.close(new Error('died'));
  await a.kill();
  cutBack();
  await a.start();
  const next = await new PairHarness(a, b, { epoch: '8' }).mount();
  assert.deepEqual(
    next.failures.map(({ fault }) => fault),
    ['tail-lost'],
  );
  assert.equal(await next.read(2), 0x22);
  next.repairTemporary(a.address);
  await waitRepaired(next);
  assert.equal(next.repairs[0]?.dirtyBlocks, 5);
  next.record(a.address, 'online');
  assert.deepEqual(await stored(a), await stored(b));
  next.pair.close(new Error('done'));
});

test('a hung engine fails by its deadline', async () => {
  const { a, h } = await startPair();
  await h.write(1, 0x11);
  a.pause();
  await h.write(2, 0x22);
  assert.deepEqual(
    h.failures.map(({ fault }) => fault),
    ['timeout'],
  );
  assert.equal(await h.read(2), 0x22);
  a.resume();
  h.pair.close(new Error('done'));
});

test('without a slave a dead engine means I/O errors for the shard, and it resumes when the engine is back whole', async () => {
  const a = await startEngine();
  const h = await new PairHarness(a, null).mount();
  await h.write(1, 0x11);
  await a.kill();
  await until(() => h.unavailable.length === 1, 'the shard is reported unavailable');
  await assert.rejects(h.write(2, 0x22), /current data answers/);
  await assert.rejects(h.read(1));
  h.record(a.address, 'offline');
  await a.start();
  h.repairTemporary(a.address);
  await waitRepaired(h);
  assert.equal(await h.read(1), 0x11);
  await h.write(2, 0x22);
  assert.deepEqual(
    await stored(a),
    new Map([
      [1, 0x11],
      [2, 0x22],
    ]),
  );
  h.pair.close(new Error('done'));
});

test('a single copy that a mount did not reach and that is back without a repair goes on where its writes ended', async () => {
  const a = await startEngine();
  const before = await new PairHarness(a, null).mount();
  for (let block = 0; block < 5; block++) await before.write(block, 0x11);
  const { seq } = before.pair;
  before.pair.close(new Error('done'));

  const h = new PairHarness(a, null, { epoch: '8' });
  const { identity, address } = h.primary;
  // The mount got as far as this before the engine was gone.
  await EngineControl.with({ address, db: 0, timeoutMs: 2000 }, (control) =>
    control.raiseEpoch(identity, 'v1', '8'),
  );
  await a.kill();
  await mountPair(h.pair);
  assert.equal(h.pair.mode.kind, 'unavailable');
  h.record(address, 'offline');
  await a.start();
  h.record(address, 'online');
  await h.write(9, 0x22);
  assert.equal(h.pair.seq, seq + 1);
  assert.equal(Number(await a.cli('HGET', 'salvor:writes:v1', 'seq')), seq + 1);
  assert.deepEqual(h.failures.slice(1), []);
  h.pair.close(new Error('done'));
});
