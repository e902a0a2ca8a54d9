import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

const batchOf = (engine: TestEngine): Promise<string> => engine.cli('HGET', 'salvor:writes:v1', 'seq');

test('an engine that falls back to a batch which no owner finished, losing the repair that undid it, gets those blocks back', async () => {
  const [survivor, returning] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(survivor, returning);
  const first = await new PairHarness(survivor, returning, { epoch: '7' }).mount();
  await first.write(1, 0x11);
  // The next batch reaches one member only, and its owner ends.
  survivor.pause();
  const unfinished = assert.rejects(first.write(1, 0x22));
  await until(async () => (await batchOf(returning)) === '2', 'one member has the batch');
  await survivor.kill();
  first.pair.close(new Error('done'));
  await unfinished;
  await survivor.start();
  assert.equal(await batchOf(survivor), '1');
  const cutBack = returning.mark();

  const next = new PairHarness(survivor, returning, { epoch: '8' });
  next.record(returning.address, 'offline');
  await next.mount();
  next.repairTemporary(returning.address, 1);
  await until(() => next.repairs.length === 1, 'the batch is undone');
  next.record(returning.address, 'online');
  await returning.kill();
  cutBack();
  await returning.start();
  assert.equal(await batchOf(returning), '2');
  next.record(returning.address, 'offline');
  next.repairTemporary(returning.address, 2);
  await until(() => next.repairs.length === 2, 'it is undone once more');
  assert.deepEqual(await stored(survivor), new Map([[1, 0x11]]));
  assert.deepEqual(await stored(returning), await stored(survivor));
  next.pair.close(new Error('done'));
});
