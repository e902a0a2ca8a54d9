import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

/** A pair whose slave served alone for a while, and then went down as well. */
async function bothDown(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const h = await new PairHarness(a, b).mount();
  for (let block = 0; block < 20; block++) await h.write(block, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  for (let block = 5; block < 15; block++) await h.write(block, 0x22);
  await b.kill();
  h.record(b.address, 'offline');
  await assert.rejects(h.write(1, 0x33), /no member holds current data/);
  return { a, b, h };
}

test('the older member alone is not used, however healthy it is', async () => {
  const { a, b, h } = await bothDown();
  await a.start();
  h.repairTemporary(a.address);
  await assert.rejects(h.read(7), /no member holds current data/);
  await b.start();
  h.repairTemporary(b.address);
  await until(() => h.repairs.length === 2, 'both are repaired');
  assert.deepEqual(
    h.repairs.map(({ address }) => address),
    [b.address, a.address],
  );
  assert.deepEqual(
    h.repairs.map(({ dirtyBlocks }) => dirtyBlocks),
    [0, 10],
  );
  assert.equal(await h.read(7), 0x22);
  h.record(b.address, 'online');
  h.record(a.address, 'online');
  await h.write(1, 0x44);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('the member that served last goes on alone as soon as it is back', async () => {
  const { a, b, h } = await bothDown();
  await b.start();
  h.repairTemporary(b.address);
  await until(() => h.repairs.length === 1, 'it vouches for itself');
  assert.equal(await h.read(7), 0x22);
  await h.write(8, 0x55);
  h.record(b.address, 'online');
  await a.start();
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 2, 'the other is repaired from it');
  h.record(a.address, 'online');
  await h.write(1, 0x44);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('the member that served last does not vouch for itself when it lost its tail', async () => {
  const { b, h } = await bothDown();
  const failures = h.failures.length;
  b.wipe();
  await b.start();
  h.repairTemporary(b.address);
  await until(() => h.failures.length > failures, 'it is refused');
  await assert.rejects(h.read(7), /no member holds current data/);
  h.pair.close(new Error('done'));
});

test('when an interrupted repair leaves it open who served last, nobody vouches', async () => {
  const { a, b, h } = await bothDown();
  await a.start();
  h.repairTemporary(a.address, 1);
  // The repair of the older one fails after the younger one went down: its last record is the latest.
  h.record(a.address, 'offline');
  await b.start();
  h.repairTemporary(b.address);
  h.repairTemporary(a.address, 2);
  await assert.rejects(h.read(7), /no member holds current data/);
  assert.equal(h.repairs.length, 0);
  h.pair.close(new Error('done'));
});
