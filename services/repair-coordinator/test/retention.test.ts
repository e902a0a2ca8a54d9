import assert from 'node:assert/strict';
import { it } from 'node:test';
import { alertKey, availableAgainKey, hookRunKey, openStore, operationKey } from '@salvor/config-store';
import { startEtcd, tempDir } from '@salvor/testkit';
import {
  ALERTS_KEPT_MS,
  AVAILABLE_AGAIN_KEPT_MS,
  dropOldRecords,
  HOOK_RUNS_KEPT_MS,
  OPERATIONS_KEPT_MS,
} from '../src/retention.ts';

it('old records are dropped past one that cannot be read', async () => {
  await using dir = tempDir('retention');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  try {
    const now = OPERATIONS_KEPT_MS + 10;
    const mark = (operation: string, at: number) => {
      const value = { operation, kind: 'test', request: '', outcome: 'applied', reason: '', at };
      return { key: operationKey(operation), value: JSON.stringify(value) };
    };
    const broken = { key: operationKey('a-broken'), value: '{"at":7' };
    await store.transact({ compare: [], puts: [broken, mark('old', 1), mark('young', now)] });
    assert.equal(await dropOldRecords(store, now), 1);
    const left = (await store.list(operationKey('x').slice(0, -1))).entries.map(({ key }) => key);
    assert.deepEqual(left, [broken.key, operationKey('young')]);
  } finally {
    store.close();
    await etcd.process.kill();
  }
});

it('what hooks did and what alerts were about is dropped when it has ended long ago, and not before', async () => {
  await using dir = tempDir('retention');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  try {
    const now = 100 * HOOK_RUNS_KEPT_MS;
    const long = now - HOOK_RUNS_KEPT_MS - 1;
    const run = (id: string, more: object) => {
      const event = { id, type: 't', subject: 's', at: long, data: {} };
      const about = { run: id, hook: 'h', point: 'p', kind: 'exec', lane: 'h:s', event, by: 'c' };
      const record = { ...about, createdAt: long, status: 'succeeded', reason: '', attempts: [], ...more };
      return { key: hookRunKey(id), value: JSON.stringify(record) };
    };
    const alert = (id: string, more: object) => {
      const record = {
        alert: id,
        kind: 'no-spare',
        subject: id,
        message: '',
        since: 1,
        raisedAt: 1,
        ...more,
      };
      return { key: alertKey(id), value: JSON.stringify(record) };
    };
    const again = (shard: number, at: number) => {
      const record = { cluster: 'p1', shard, since: 1, at, reason: '', vdisks: ['v1'] };
      return { key: availableAgainKey('p1', shard), value: JSON.stringify(record) };
    };
    const kept = [
      run('pending', { status: 'pending' }),
      run('young', { endedAt: now - HOOK_RUNS_KEPT_MS }),
      alert('raised', {}),
      alert('fresh', { clearedAt: now - ALERTS_KEPT_MS }),
      again(0, now - AVAILABLE_AGAIN_KEPT_MS),
    ];
    const gone = [
      run('ended', { endedAt: long }),
      alert('cleared', { clearedAt: now - ALERTS_KEPT_MS - 1 }),
      again(1, now - AVAILABLE_AGAIN_KEPT_MS - 1),
    ];
    await store.transact({ compare: [], puts: [...kept, ...gone] });
    assert.equal(await dropOldRecords(store, now), gone.length);
    const left = (await store.list('/salvor/')).entries.map(({ key }) => key);
    assert.deepEqual(left.sort(), kept.map(({ key }) => key).sort());
  } finally {
    store.close();
    await etcd.process.kill();
  }
});
