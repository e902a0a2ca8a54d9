import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

let primary: TestEngine;
let slave: TestEngine;

before(async () => {
  [primary, slave] = await Promise.all([TestEngine.start(), TestEngine.start()]);
});

after(async () => {
  await Promise.all([primary, slave].map((engine) => engine?.stop()));
});

test('an engine that comes back with an older epoch is not served from, and is raised before it is used again', async () => {
  const h = await new PairHarness(primary, slave, { epoch: '7' }).mount();
  await h.write(1, 0x11);
  // What a restart leaves behind that lost everything since an earlier owner, without the restart.
  await primary.cli('SET', 'salvor:epoch:v1', '5');
  await primary.cli('HSET', 'nondedup:v1', '1', 'stale');
  await primary.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  assert.equal(await h.read(1), 0x11);
  await h.write(2, 0x22);
  assert.deepEqual(h.failures, [{ address: primary.address, fault: 'epoch-lost' }]);
  assert.deepEqual(h.fences, [], 'nobody else took over');
  assert.equal(await primary.cli('GET', 'salvor:epoch:v1'), '5');

  h.repairTemporary(primary.address);
  await until(() => h.repairs.length === 1, 'the repair');
  assert.equal(await primary.cli('GET', 'salvor:epoch:v1'), '7');
  h.pair.close(new Error('the test is over'));
  assert.equal((await stored(primary)).get(2), 0x22);

  await primary.cli('SET', 'salvor:epoch:v1', '3');
  const next = await new PairHarness(primary, slave, { epoch: '9' }).mount();
  assert.equal(await primary.cli('GET', 'salvor:epoch:v1'), '9', 'a mount raises it before it serves');
  assert.deepEqual(next.failures, []);
  assert.equal(await next.read(2), 0x22);
  next.pair.close(new Error('the test is over'));
});
