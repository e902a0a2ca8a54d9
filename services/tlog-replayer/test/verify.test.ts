import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginOperation, OperationWorkers, readOperation } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { verifyExecutor } from '../src/verify-executor.ts';
import { ArchivedLogs } from './archived-log.ts';

const TIMEOUT_MS = 20_000;

test('a verification reads all archived logs, and fails with exactly what is lost', async () => {
  await using logs = await ArchivedLogs.start();
  const { store, tier2, bus } = logs;
  const loop = await logs.loop('one');
  for (const vdisk of ['v1', 'v2']) {
    await logs.giveLog(vdisk);
    await logs.write(vdisk, 80);
  }
  for (const vdisk of ['v1', 'v2'])
    await until(async () => (await logs.hot(vdisk)) === 1, { what: 'it is archived', timeoutMs: TIMEOUT_MS });
  await loop.stop();
  const workers = new OperationWorkers({
    ...{ store, log: silentLogger, worker: 'test' },
    executors: { 'tlog.verify': verifyExecutor({ store, tier2, streams: bus.logStreams }) },
  });
  await workers.start();
  const verify = async (
    operation: string,
  ): Promise<{ status: string; message: string; code?: string | undefined }> => {
    const request = {
      operation,
      kind: 'tlog.verify',
      request: {},
      subject: 'all',
      message: 'begun',
      checkpoint: {},
    };
    assert.equal((await beginOperation(store, request)).outcome, 'applied');
    const ended = async () => {
      const work = (await readOperation(store, operation))?.work;
      return work === undefined || work.status === 'running' ? null : work;
    };
    return until(ended, { what: 'the verification ends', timeoutMs: TIMEOUT_MS });
  };
  const good = await verify('first');
  assert.equal(good.status, 'completed');
  assert.match(good.message, /^2 archived logs verified: 160 segments .* 0 places lost/);
  const [, second] = (await logs.chunks('v2').list()).sort((a, b) => a.from - b.from);
  assert.ok(second);
  await logs.chunks('v2').delete(second);
  const bad = await verify('second');
  assert.equal(bad.status, 'failed');
  const range = `segments ${second.from} to ${second.to}: lost`;
  assert.ok(bad.message.includes(`vdisk v2, ${range}: no chunk in`), bad.message);
  await workers.stop();
});
