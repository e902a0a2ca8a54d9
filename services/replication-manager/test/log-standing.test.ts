import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore, ownerKey, tlogConfigKey, tlogStateKey } from '@salvor/config-store';
import { startEtcd, tempDir } from '@salvor/testkit';
import { decideLevelLog } from '../src/decide-level-log.ts';
import { readLogStanding } from '../src/log-standing.ts';

test('engines beyond a level log are waited for while somebody writes, and end the comparison only where nothing more can come', async () => {
  await using dir = tempDir('log-standing');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  await using _process = etcd.process;
  const store = openStore({ endpoints: [etcd.endpoint] });
  try {
    const put = (key: string, value: object) =>
      store.transact({ compare: [], puts: [{ key, value: JSON.stringify(value) }] });
    const next = async () => decideLevelLog(await readLogStanding(store, 'v1'));
    assert.equal(await next(), 'broken', 'there is no log');
    const begins = { number: 0, sequence: 0 };
    await put(tlogConfigKey('v1'), {
      ...{ container: 0, containers: 4, policy: 'block', begins, enabledBy: 'op-1', at: 1 },
    });
    assert.equal(await next(), 'broken', 'nothing is known of it');
    const state = { reason: 'any', since: 1, sequence: 1 };
    await put(tlogStateKey('v1'), { ...state, status: 'whole' });
    assert.equal(await next(), 'complete');
    await put(ownerKey('v1'), {});
    assert.equal(await next(), 'wait');
    for (const status of ['broken', 'basing']) {
      await put(tlogStateKey('v1'), { ...state, status });
      assert.equal(await next(), 'broken', status);
    }
  } finally {
    await store.close();
  }
});
