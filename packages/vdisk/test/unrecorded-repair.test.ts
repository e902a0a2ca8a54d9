import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PairHarness, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

test('a repaired member takes no write alone before its repair is on record: the next owner would not trust it', async () => {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await h.write(2, 0x22);
  await a.start();
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair completes');
  await b.kill();
  await until(() => h.slave?.status === 'offline', 'the other is recorded as offline');
  assert.equal(h.pair.mode.kind, 'holding', h.pair.mode.reason);
  let acknowledged = false;
  const write = h.write(3, 0x33).then(() => {
    acknowledged = true;
  });
  assert.equal(await h.read(2), 0x22);
  assert.equal(acknowledged, false);
  h.record(a.address, 'repair-tmp-outage', {
    incident: 'i1',
    attempt: 1,
    kind: 'repair-tmp-outage',
    completed: true,
  });
  await write;
  assert.equal(h.pair.mode.kind, 'alone');
  assert.equal(await h.read(3), 0x33);
  h.pair.close(new Error('done'));
});
