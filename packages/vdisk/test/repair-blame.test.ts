import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EngineError } from '../src/errors.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

/** A pair whose primary was away for one write and is back. */
async function primaryBack(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await h.write(2, 0x22);
  await a.start();
  return { a, b, h };
}

test('a survivor that lost its data is reported by the repair that finds it, without any client', async () => {
  const { a, b, h } = await primaryBack();
  const failures = h.failures.length;
  await b.cli('FLUSHALL');
  h.repairTemporary(a.address);
  await until(() => h.failures.length > failures, 'the survivor is reported', 5_000);
  assert.deepEqual(h.failures.at(-1), { address: b.address, fault: 'epoch-lost' });
  h.pair.close(new Error('done'));
});

test('a new attempt that begins while the one before is prepared is not blamed for its end', async () => {
  const { a, b, h } = await primaryBack();
  const failures = h.failures.length;
  const target = h.pair.member('primary');
  const open = target.openUnjudged.bind(target);
  let isFirst = true;
  target.openUnjudged = async () => {
    const session = await open();
    if (isFirst) {
      isFirst = false;
      h.record(a.address, 'offline');
      h.repairTemporary(a.address, 2);
    }
    return session;
  };
  h.repairTemporary(a.address, 1);
  await until(() => h.repairs.length === 1 || h.failures.length > failures, 'the second attempt ends');
  assert.equal(h.failures.length, failures);
  assert.equal(h.repairs[0]?.attempt, 2);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('a spare is not blamed for what was found on the engine whose place it takes', async () => {
  const [a, b, spare] = await Promise.all([TestEngine.start(), TestEngine.start(), TestEngine.start()]);
  engines.push(a, b, spare);
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  const primary = h.pair.member('primary');
  const open = primary.openUnjudged.bind(primary);
  let isOpening = false;
  let letFail = (): void => {};
  const failing = new Promise<void>((resolve) => {
    letFail = resolve;
  });
  primary.openUnjudged = async () => {
    if (isOpening) return await open();
    isOpening = true;
    await failing;
    throw new EngineError('identity-lost', `engine ${a.address}: it lost its data`);
  };
  await a.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await until(() => isOpening, 'the link is being opened anew');
  const reading = h.read(1);
  // While it waits for the link, etcd puts the spare in the place of the engine.
  h.record(a.address, 'offline');
  h.repairFinal(spare);
  letFail();
  assert.equal(await reading, 0x11);
  await until(() => h.repairs.length === 1 || h.failures.length > 0, 'the rebuild ends');
  assert.deepEqual(h.failures, []);
  assert.deepEqual(await stored(spare), await stored(b));
  h.pair.close(new Error('done'));
});
