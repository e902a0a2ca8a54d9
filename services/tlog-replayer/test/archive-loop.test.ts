import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tlogArchivedKey, tlogStateKey } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { LogError, type Tier2Store } from '@salvor/tlog';
import { ArchivedLogs, numbersTo } from './archived-log.ts';

const TIMEOUT_MS = 20_000;

async function recordOf(logs: ArchivedLogs, vdisk: string): Promise<Record<string, unknown>> {
  const entry = await logs.store.get(tlogArchivedKey(vdisk));
  return entry === null ? {} : (JSON.parse(entry.value) as Record<string, unknown>);
}

test('the logs of all vdisks that have one are archived, and Tier-1 keeps the newest segment of each', async () => {
  await using logs = await ArchivedLogs.start();
  const vdisks = ['v1', 'v2', 'v:3'];
  for (const vdisk of vdisks) {
    await logs.giveLog(vdisk);
    await logs.write(vdisk, 60);
  }
  await logs.write('without', 3);
  await logs.loop('one');
  for (const vdisk of vdisks) {
    await until(async () => (await logs.hot(vdisk)) === 1, {
      what: `the tail of ${vdisk} is short`,
      timeoutMs: TIMEOUT_MS,
    });
    assert.deepEqual(await logs.archived(vdisk), numbersTo(60));
    const { number, sequence } = await recordOf(logs, vdisk);
    assert.deepEqual({ number, sequence }, { number: 60, sequence: 60 });
  }
  await logs.write('v1', 5);
  await until(async () => (await logs.archived('v1')).length === 65, {
    what: 'what came later is archived',
    timeoutMs: TIMEOUT_MS,
  });
  assert.equal(await logs.hot('without'), 3);
});

test('replicas share the vdisks, one archiver each; when one dies the other goes on', async () => {
  await using logs = await ArchivedLogs.start();
  const vdisks = Array.from({ length: 8 }, (_, i) => `v${i}`);
  for (const vdisk of vdisks) await logs.giveLog(vdisk);
  const [one, two] = [await logs.loop('one'), await logs.loop('two')];
  const isShared = (): boolean =>
    one.vdisks.length > 0 &&
    two.vdisks.length > 0 &&
    [...one.vdisks, ...two.vdisks].sort().join() === vdisks.join();
  await until(isShared, { what: 'each vdisk has one archiver', timeoutMs: TIMEOUT_MS });
  await one.stop();
  for (const vdisk of vdisks) await logs.write(vdisk, 3);
  for (const vdisk of vdisks)
    await until(async () => (await logs.archived(vdisk)).length === 3, {
      what: `${vdisk} is archived`,
      timeoutMs: TIMEOUT_MS,
    });
  assert.deepEqual([...two.vdisks].sort(), vdisks);
});

test('while Tier-2 is away that is on record, nothing is let go of, and it catches up by itself', async () => {
  await using logs = await ArchivedLogs.start();
  await logs.giveLog('v1');
  await logs.write('v1', 100);
  let isAway = true;
  const { tier2 } = logs;
  const away: Tier2Store = {
    ...{ name: tier2.name, list: (prefix) => tier2.list(prefix), stat: (path) => tier2.stat(path) },
    ...{ read: (path, offset, length) => tier2.read(path, offset, length), close: () => tier2.close() },
    readRanges: (path, ranges) => tier2.readRanges(path, ranges),
    ...{ tidy: (prefix) => tier2.tidy(prefix), delete: (path) => tier2.delete(path) },
    put: async (path, parts) => {
      if (isAway) throw new LogError('store', 'the disk is full');
      await tier2.put(path, parts);
    },
  };
  const loop = await logs.loop('one', { tier2: away });
  await until(async () => (await recordOf(logs, 'v1')).trouble !== undefined, {
    what: 'the trouble is on record',
    timeoutMs: TIMEOUT_MS,
  });
  assert.match(JSON.stringify(await recordOf(logs, 'v1')), /the disk is full/);
  assert.equal(loop.troubled, 1);
  assert.equal(await logs.hot('v1'), 100);
  isAway = false;
  await until(async () => (await logs.hot('v1')) === 1, { what: 'it has caught up', timeoutMs: TIMEOUT_MS });
  await until(async () => (await recordOf(logs, 'v1')).trouble === undefined, {
    what: 'the trouble is over',
    timeoutMs: TIMEOUT_MS,
  });
  assert.deepEqual(await logs.archived('v1'), numbersTo(100));
});

test('segments that neither tier has break the log, once, with their numbers on record', async () => {
  await using logs = await ArchivedLogs.start();
  await logs.giveLog('v1');
  await logs.write('v1', 4);
  await logs.write('v1', 4, { skip: 3 });
  const loop = await logs.loop('one');
  await until(async () => (await logs.hot('v1')) === 1, {
    what: 'what is left is archived',
    timeoutMs: TIMEOUT_MS,
  });
  const state = await logs.store.get(tlogStateKey('v1'));
  assert.ok(state);
  const { status, reason } = JSON.parse(state.value) as Record<string, unknown>;
  assert.equal(status, 'broken');
  assert.match(
    String(reason),
    /segments 5 to 7 of the log are in neither tier .*: sequences 5 to 7 are lost/,
  );
  const { missing } = await recordOf(logs, 'v1');
  assert.deepEqual(
    (missing as { from: number; to: number }[]).map(({ from, to }) => [from, to]),
    [[5, 7]],
  );
  assert.deepEqual(await logs.archived('v1'), [1, 2, 3, 4, 8, 9, 10, 11]);
  // Whoever takes it up next finds nothing new.
  await loop.stop();
  const next = await logs.loop('two');
  await until(() => next.vdisks.length === 1, { what: 'it is taken up again', timeoutMs: TIMEOUT_MS });
  await logs.write('v1', 1);
  await until(async () => (await logs.archived('v1')).length === 9, {
    what: 'it goes on',
    timeoutMs: TIMEOUT_MS,
  });
  assert.equal((await logs.store.get(tlogStateKey('v1')))?.revision, state.revision);
});

test('the room that a recovery of Tier-1 left for lost records is not taken back by what is archived', async () => {
  await using logs = await ArchivedLogs.start();
  await logs.giveLog('v1');
  await logs.write('v1', 4);
  const before = await logs.loop('one');
  await until(async () => (await recordOf(logs, 'v1')).number === 4, {
    what: 'all is archived',
    timeoutMs: TIMEOUT_MS,
  });
  await before.stop();
  const { chunks, bytes } = await recordOf(logs, 'v1');
  // As a recovery writes it, which counts the chunks that it can read.
  const room = { number: 4, sequence: 4 + 2 ** 32, chunks: Number(chunks) + 1, bytes, at: 1 };
  await logs.store.transact({
    compare: [],
    puts: [{ key: tlogArchivedKey('v1'), value: JSON.stringify(room) }],
  });
  await logs.loop('two');
  await until(async () => (await recordOf(logs, 'v1')).chunks === chunks, {
    what: 'the archiver has recorded what it has',
    timeoutMs: TIMEOUT_MS,
  });
  const { number, sequence } = await recordOf(logs, 'v1');
  assert.deepEqual({ number, sequence }, { number: 4, sequence: room.sequence });
});

test('a stream that is lost and made again under a running archiver is followed from its begin, and nothing of it is let go of unread', async () => {
  await using logs = await ArchivedLogs.start();
  await logs.giveLog('v1');
  await logs.write('v1', 60);
  await logs.loop('one');
  const settled = { what: 'all is archived', timeoutMs: TIMEOUT_MS };
  await until(async () => (await logs.hot('v1')) === 1, settled);
  await logs.loseStream('v1');
  // Fewer than the lost stream had: by its numbers none of them is new.
  await logs.write('v1', 5);
  await until(async () => (await logs.archived('v1')).length === 65, settled);
  assert.deepEqual(await logs.archived('v1'), numbersTo(65));
  await logs.write('v1', 60);
  await until(async () => (await logs.archived('v1')).length === 125, settled);
});
