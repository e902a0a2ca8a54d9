import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RepairTurns } from '../src/copy/repair-turns.ts';
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
  assert.deepEqual([h.unavailable.length, h.availableAgain], [1, []]);
  await until(() => h.repairs.length === 1, 'it vouches for itself');
  assert.equal(await h.read(7), 0x22);
  await h.write(8, 0x55);
  assert.deepEqual([h.unavailable.length, h.availableAgain.length], [1, 1]);
  assert.match(h.availableAgain[0] ?? '', /the slave serves alone/);
  h.record(b.address, 'online');
  await a.start();
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 2, 'the other is repaired from it');
  h.record(a.address, 'online');
  await h.write(1, 0x44);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('the member that served last goes on while every turn to copy is taken, and the other waits for one', async () => {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const repairTurns = new RepairTurns(1);
  const h = await new PairHarness(a, b, { repairTurns }).mount();
  await h.write(1, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await h.write(1, 0x22);
  const endOther = await repairTurns.take();
  await a.start();
  // It waits for a turn, with a survivor to copy from, when that one goes down.
  h.repairTemporary(a.address);
  await until(() => repairTurns.counts.waiting === 1, 'it waits for its turn');
  await b.kill();
  h.record(b.address, 'offline');
  await b.start();
  h.repairTemporary(b.address);
  await until(() => h.repairs.length === 1, 'the last one vouches for itself');
  assert.equal(h.repairs[0]?.address, b.address);
  assert.equal(await h.read(1), 0x22);

  endOther();
  await until(() => h.repairs.length === 2, 'the other is repaired');
  assert.equal(h.repairs[1]?.address, a.address);
  await until(() => repairTurns.counts.underWay === 0, 'no turn is kept');
  assert.deepEqual(repairTurns.counts, { underWay: 0, waiting: 0 });
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

/** A pair that lost its owner; then the slave came back without its last writes, and etcd records the primary as stale. */
async function tailLostUnnoticed(): Promise<{ b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const before = await new PairHarness(a, b).mount();
  for (let block = 0; block < 5; block++) await before.write(block, 0x11);
  const cutBack = b.mark();
  for (let block = 0; block < 5; block++) await before.write(block, 0x22);
  before.pair.close(new Error('the owner died'));
  await b.kill();
  cutBack();
  await b.start();
  const h = new PairHarness(a, b, { epoch: '8', holdMaxMs: 500 });
  h.record(a.address, 'offline');
  return { b, h };
}

test('a new owner does not serve from an engine that its stale partner is ahead of', async () => {
  const { b, h } = await tailLostUnnoticed();
  await h.mount();
  assert.deepEqual(h.failures, [{ address: b.address, fault: 'tail-lost' }]);
  await assert.rejects(h.read(3), /no member/);
  h.pair.close(new Error('done'));
});

test('nor when etcd brings that engine online, with a repair on record from before it lost them', async () => {
  const { b, h } = await tailLostUnnoticed();
  const repair = { incident: 'i1', attempt: 1, kind: 'repair-tmp-outage', completed: true } as const;
  h.record(b.address, 'repair-tmp-outage', repair);
  await h.mount();
  assert.deepEqual(h.failures, [{ address: b.address, fault: 'tail-lost' }]);
  h.record(b.address, 'online');
  await assert.rejects(h.read(3), /no member/);
  await until(() => h.proposals.includes(b.address), 'its owner proposes what nobody has recorded');
  h.pair.close(new Error('done'));
});

test('an engine that its stale partner is ahead of does not vouch for itself', async () => {
  const { b, h } = await tailLostUnnoticed();
  h.record(b.address, 'offline');
  await h.mount();
  h.repairTemporary(b.address);
  await until(() => h.writesLost.length > 0, 'it is refused');
  assert.deepEqual(
    h.writesLost,
    [b.address],
    'nobody who serves has what it lost: no other try can end better',
  );
  assert.deepEqual(h.failures, []);
  assert.equal(h.repairs.length, 0);
  h.pair.close(new Error('done'));
});
