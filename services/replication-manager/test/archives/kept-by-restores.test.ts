/** What a restore that is under way needs of an archive. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import {
  archiveKey,
  archiveSchema,
  beginOperation,
  type ConfigStore,
  formatRecord,
  type OperationRun,
  openStore,
} from '@salvor/config-store';
import { type SalvorError, silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, startEtcd, tempDir } from '@salvor/testkit';
import { exactPoint, type LogError, Tier2Source, type VdiskChunks } from '@salvor/tlog';
import { compactArchive } from '../../src/archives/archive-compaction.ts';
import { type RestoreOptions, restoreExecutor } from '../../src/archives/restore-executor.ts';
import { segmentOf } from '../segments.ts';
import { chunksOf, followingRecord, storeIn, writerOf } from './archive-records.ts';

const dir = tempDir('kept-by-restores');
let etcd: EtcdHandle;
let store: ConfigStore;

before(async () => {
  etcd = await startEtcd({ dir: join(dir.path, 'etcd') });
  store = openStore({ endpoints: [etcd.endpoint] });
});
after(async () => {
  store?.close();
  await etcd?.process.kill();
  dir.remove();
});

/** 40 segments in chunks of four, of which every state is old. */
async function archived(context: TestContext, archive: string, snapshot: number): Promise<VdiskChunks> {
  const chunks = chunksOf(await storeIn(context), 1);
  const writer = await writerOf(chunks);
  for (let number = 1; number <= 40; number++) {
    writer.add(segmentOf(number, number, [{ block: number % 3, fill: number }]).segment);
    if (number % 4 === 0) await writer.flush();
  }
  const named = {
    name: 's',
    state: 'restorable' as const,
    generation: 1,
    source: 1,
    sequence: snapshot,
    at: 1,
  };
  const retention = { everyStateMs: 0, points: 0, pointEveryMs: 1_000 };
  const record = followingRecord({ archive, snapshots: [named], retention });
  const key = archiveKey(archive, 'vol1');
  await store.transact({ compare: [], puts: [{ key, value: formatRecord(archiveSchema, key, record) }] });
  return chunks;
}

async function restoreOf(archive: string, upTo: number): Promise<void> {
  const checkpoint = { archive, volume: 'vol1', vdisk: 'v2', point: { kind: 'newest' }, upTo };
  const operation = `${archive}-${upTo}`;
  await beginOperation(store, {
    ...{
      operation,
      kind: 'archive.restore',
      request: { archive },
      subject: 'v2',
      message: 'begins',
      checkpoint,
    },
  });
}

async function tells(chunks: VdiskChunks, sequence: number): Promise<boolean> {
  const source = await Tier2Source.open(chunks);
  try {
    await exactPoint('vol1', source, { kind: 'sequence', sequence });
    return true;
  } catch (error) {
    assert.equal((error as LogError).code, 'not-restorable');
    return false;
  } finally {
    await source.close();
  }
}

function compaction(archive: string, chunks: VdiskChunks, mayGoOn = async (): Promise<void> => undefined) {
  return compactArchive({ store, archive, volume: 'vol1', chunks, chunkBytes: 1 << 20, mayGoOn });
}

test('a compaction keeps snapshots, and the states that restores are to end with', async (context) => {
  const chunks = await archived(context, 'a1', 9);
  await restoreOf('a1', 18);
  await restoreOf('a9', 22);
  assert.ok((await compaction('a1', chunks)) !== null);
  const kept = await Promise.all([9, 18, 22, 36].map((sequence) => tells(chunks, sequence)));
  assert.deepEqual(kept, [true, true, false, true]);
});

test('a restore that begins while an archive is compacted finds the state that it is to end with', async (context) => {
  const chunks = await archived(context, 'a2', 9);
  const done = await compaction('a2', chunks, () => restoreOf('a2', 18));
  assert.equal(done, null);
  assert.equal(await tells(chunks, 18), true);
  assert.ok((await compaction('a2', chunks)) !== null);
  assert.deepEqual([await tells(chunks, 18), await tells(chunks, 22)], [true, false]);
});

test('a restore that has written blocks does not fail as if nothing was written when the archive is forgotten', async () => {
  const executor = restoreExecutor({ store, log: silentLogger } as RestoreOptions);
  const run = (upTo: number | null, isCancelled = false): OperationRun => {
    const checkpoint = { archive: 'gone', volume: 'vol1', vdisk: 'v2', point: { kind: 'newest' }, upTo };
    const found = { checkpoint, record: { operation: 'r1' }, cancelRequested: () => isCancelled };
    return { ...found, signal: new AbortController().signal } as unknown as OperationRun;
  };
  await assert.rejects(executor(run(7)), (error: SalvorError) => error.code === 'unknown-archive');
  const cancelled = await executor(run(7, true));
  assert.match(cancelled.message ?? '', /neither what it held before nor what the archive has/);
  const untouched = await executor(run(null));
  assert.equal(untouched.status, 'failed');
  assert.match(untouched.message ?? '', /nothing was written/);
});
