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

test('a batch that was given up when one member had it is on both before anything else passes', async () => {
  const harness = new PairHarness(primary, slave, { holdMaxMs: 300 });
  await harness.mount();
  await harness.write(1, 1);
  // The link to the slave breaks, and without a lease it is not opened anew.
  harness.lease.isValid = false;
  await slave.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await until(() => harness.pair.member('slave').session === null, 'the link to the slave is gone');
  await assert.rejects(harness.write(1, 2), { code: 'ownership-in-doubt' });
  assert.equal((await stored(primary)).get(1), 2, 'the primary has it');
  assert.deepEqual(harness.failures, [], 'no engine is to blame');
  assert.equal((await stored(slave)).get(1), 1, 'the members differ now');
  await assert.rejects(harness.read(1), 'what may vanish again is not shown');

  harness.lease.isValid = true;
  await harness.write(3, 3);
  assert.deepEqual(await stored(primary), await stored(slave));
  assert.equal((await stored(slave)).get(1), 2);
  assert.equal(await harness.read(1), 2);
  const [a, b] = [harness.pair.member('primary'), harness.pair.member('slave')];
  assert.equal(a.session?.head.seq, b.session?.head.seq);
  harness.pair.close(new Error('the test is over'));
});
