import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  beginOperation,
  listSnapshots,
  OperationWorkers,
  readOperation,
  readTlog,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { snapshotExecutor } from '../src/snapshot-executor.ts';
import { LoggedPlane, write } from './logged-plane.ts';

test('a snapshot is the state behind everything that was answered, by the name that it was given, once', async () => {
  await using logged = await LoggedPlane.start();
  const { store } = logged.plane;
  await logged.plane.addVdisk('v1');
  await logged.enable('v1');
  const mounted = await logged.plane.mount('v1');
  await logged.untilStatus('v1', 'whole');
  const use = async () => ({ mounted: mounted.vdisk, release: () => {} });
  const workers = new OperationWorkers({
    ...{ store, log: silentLogger, worker: 'test', retryDelayMs: 50 },
    executors: { 'vdisk.snapshot.create': snapshotExecutor(store, { use }) },
  });
  await workers.start();
  const take = async (operation: string, name: string) => {
    const request = { vdisk: 'v1', name };
    const kind = 'vdisk.snapshot.create';
    await beginOperation(store, { operation, kind, request, subject: 'v1', message: 'is taken' });
    return until(
      async () => {
        const work = (await readOperation(store, operation))?.work;
        return work?.endedAt === undefined ? null : work;
      },
      { what: `the end of ${operation}`, timeoutMs: 20_000 },
    );
  };
  try {
    await write(mounted, 3, 1);
    assert.equal((await take('op-1', 'one')).status, 'completed');
    await write(mounted, 4, 2, 3);
    assert.equal((await take('op-2', 'two')).status, 'completed');
    const again = await take('op-3', 'one');
    assert.deepEqual([again.status, again.code], ['failed', 'snapshot-exists']);
    const found = (await listSnapshots(store, 'v1')).map(({ name, sequence }) => [name, sequence]);
    const base = (await readTlog(store, 'v1'))?.state?.sequence ?? assert.fail('no base');
    assert.deepEqual(found, [
      ['one', base],
      ['two', base + 3],
    ]);
    const marks = (await logged.segments('v1')).filter(({ index }) => index.kind === 'snapshot');
    assert.deepEqual(
      marks.map(({ index }) => [index.name, index.last]),
      found,
    );
  } finally {
    await workers.stop();
  }
});
