import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openStore, operationKey } from '@salvor/config-store';
import { startEtcd, tempDir } from '@salvor/testkit';
import { dropOldRecords, OPERATIONS_KEPT_MS } from '../src/retention.ts';

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
