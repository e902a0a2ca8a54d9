import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

/** etcd changes a cluster and an incident in one transaction; a watch tells of one after the other. */

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startEngines(): Promise<[TestEngine, TestEngine]> {
  const started = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(...started);
  return started;
}

test('an incident that is gone before its engine is online takes nothing away from a member that was repaired', async () => {
  const [a, b] = await startEngines();
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  h.record(a.address, 'offline');
  await h.write(2, 0x22);
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair is complete');
  h.record(a.address, 'repair-tmp-outage', null);
  await h.write(2, 0x33);
  h.record(a.address, 'online');
  assert.equal(await h.read(2), 0x33);
  await h.write(3, 0x44);
  assert.deepEqual(h.failures, []);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('a batch that one member took alone is not acknowledged when the other one was put online meanwhile', async () => {
  const [a, b] = await startEngines();
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  h.record(a.address, 'offline');
  const slave = h.pair.member('slave');
  const transact = slave.transact.bind(slave);
  let isFirst = true;
  slave.transact = async (frame, head) => {
    await transact(frame, head);
    if (!isFirst) return;
    isFirst = false;
    // As a tool may do that knows nothing of repairs. The link is checked while nothing that counts is missing there.
    h.record(a.address, 'online');
    await h.read(9);
  };
  await h.write(1, 0x22);
  assert.equal(await h.read(1), 0x22);
  assert.deepEqual(h.failures, [{ address: a.address, fault: 'tail-lost' }]);
  assert.deepEqual(h.proposals, [a.address]);
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair is complete');
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});
