import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  closedIncidentKey,
  formatRecord,
  operationKey,
  operationSchema,
  REPAIRS_PREFIX,
  repairKey,
} from '@salvor/config-store';
import { dropOldRecords, INCIDENTS_KEPT_MS, OPERATIONS_KEPT_MS } from '../src/retention.ts';
import { address, CoordinatedCluster } from './coordinated-cluster.ts';

it('a closed incident is kept for its time with its repairs, and goes with them', async () => {
  await using cluster = await CoordinatedCluster.start();
  const { store } = cluster;
  await cluster.fail(address('primary', 0));
  const { id, attempt } = (await cluster.judge(address('primary', 0), 'temporary')).incident ?? assert.fail();
  const repairs = ['v1', 'v2'].map((vdisk) => repairKey(id, attempt, vdisk));
  const other = repairKey(`${id}x`, 1, 'v1');
  const puts = [...repairs, other].map((key) => ({ key, value: '{}' }));
  await store.transact({ compare: [], puts });
  const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
  await cluster.apply({ ...done, repaired: new Set(), vdisks: new Set() });
  const closed = await store.get(closedIncidentKey(id));
  const { closedAt } = JSON.parse(closed?.value ?? '') as { closedAt: number };
  await dropOldRecords(store, closedAt + INCIDENTS_KEPT_MS);
  assert.notEqual(await store.get(closedIncidentKey(id)), null);
  assert.equal((await store.list(REPAIRS_PREFIX)).entries.length, 3);
  assert.equal(await dropOldRecords(store, closedAt + INCIDENTS_KEPT_MS + 1), 3);
  assert.equal(await store.get(closedIncidentKey(id)), null);
  assert.deepEqual(
    (await store.list(REPAIRS_PREFIX)).entries.map(({ key }) => key),
    [other],
  );
});

it('operations are known for their time; hundreds are dropped at once, the open ones of today stay', async () => {
  await using cluster = await CoordinatedCluster.start();
  const { store } = cluster;
  const now = Date.now();
  const mark = (operation: string, at: number) => {
    const key = operationKey(operation);
    const record = { operation, kind: 'test', request: '', outcome: 'applied', reason: '', at } as const;
    return { key, value: formatRecord(operationSchema, key, record) };
  };
  const old = Array.from({ length: 250 }, (_, i) => mark(`old-${i}`, now - OPERATIONS_KEPT_MS - 1));
  for (let from = 0; from < old.length; from += 100) {
    await store.transact({ compare: [], puts: old.slice(from, from + 100) });
  }
  await store.transact({ compare: [], puts: [mark('young', now - OPERATIONS_KEPT_MS)] });
  assert.equal(await dropOldRecords(store, now), 250);
  assert.notEqual(await store.get(operationKey('young')), null);
  assert.equal(await dropOldRecords(store, now), 0);
});
