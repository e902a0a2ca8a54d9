import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  applyEngineStatus,
  createCluster,
  createVdisk,
  INCIDENTS_PREFIX,
  openStore,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { startEtcd, tempDir, until } from '@salvor/testkit';
import { IdleRepairs } from '../src/idle-repairs.ts';
import type { VdiskExports } from '../src/vdisk-exports.ts';

it('an incident record that cannot be read does not keep the vdisks of other incidents from being repaired', async () => {
  await using dir = tempDir('idle-repairs');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  const taken: string[] = [];
  const exports = {
    isMounted: () => false,
    use: async (vdisk: string) => {
      taken.push(vdisk);
      return { release: () => {} };
    },
  } as unknown as VdiskExports;
  const repairs = new IdleRepairs({ store, server: 'nbd-1', exports, log: silentLogger });
  try {
    const options = (operation: string) => ({ operation, by: 'test' });
    const address = '10.0.0.1:22005';
    const engines = [{ address, db: 0 }];
    await createCluster(store, { cluster: 'p1', role: 'primary', engines, spares: [] }, options('cluster'));
    const wanted = { vdisk: 'v1', type: 'db', sizeGiB: 1, blockSize: 4096, cluster: 'p1', readOnly: false };
    await createVdisk(store, wanted, options('create'));
    const bad = { key: `${INCIDENTS_PREFIX}a0/0`, value: '{"id":7' };
    await store.transact({ compare: [], puts: [bad] });
    repairs.start();
    const failure = {
      address,
      reporter: 'test',
      reason: 'gone',
      detectedAt: Date.now(),
      operation: 'report',
    };
    const { incident } = await applyEngineStatus(store, { kind: 'failure-reported', ...failure });
    await applyEngineStatus(store, {
      kind: 'verdict',
      incident: incident?.id ?? assert.fail('no incident'),
      attempt: 1,
      verdict: 'temporary',
      reason: 'back',
      evidence: [],
      by: 'test',
      operation: 'verdict',
    });
    await until(() => taken.includes('v1'), { what: 'v1 to be taken for its repair', timeoutMs: 10_000 });
  } finally {
    repairs.stop();
    store.close();
    await etcd.process.kill();
  }
});
