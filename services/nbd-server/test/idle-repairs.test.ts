import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  applyEngineStatus,
  applyHealingControl,
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
      return { mounted: { alive: true }, release: () => {} };
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

it('vdisks of a cluster whose healing is paused are not taken, and those that were are given back', async () => {
  await using dir = tempDir('idle-repairs-paused');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  const held = new Set<string>();
  const exports = {
    isMounted: () => false,
    use: async (vdisk: string) => {
      held.add(vdisk);
      return { mounted: { alive: true }, release: () => held.delete(vdisk) };
    },
  } as unknown as VdiskExports;
  const repairs = new IdleRepairs({ store, server: 'nbd-1', exports, log: silentLogger });
  const options = (operation: string) => ({ operation, by: 'test' });
  const control = (kind: 'pause' | 'resume', operation: string) =>
    applyHealingControl(store, 'p1', { kind, by: 'alice', reason: 'a test', operation });
  const isHeld = (vdisk: string, wanted: boolean, timeoutMs = 20_000) =>
    until(() => held.has(vdisk) === wanted, { what: `${vdisk} held: ${wanted}`, timeoutMs });
  try {
    for (const n of [1, 2]) {
      const [cluster, address] = [`p${n}`, `10.0.0.${n}:22005`];
      const engines = [{ address, db: 0 }];
      await createCluster(store, { cluster, role: 'primary', engines, spares: [] }, options(cluster));
      const wanted = { vdisk: `v${n}`, type: 'db', sizeGiB: 1, blockSize: 4096, cluster, readOnly: false };
      await createVdisk(store, wanted, options(`create-${n}`));
      const about = { address, reason: 'gone', operation: `report-${n}` };
      await applyEngineStatus(store, {
        ...{ kind: 'failure-reported', reporter: 'test', detectedAt: Date.now(), ...about },
      });
      await applyEngineStatus(store, {
        ...{ kind: 'bring-online', address, by: 'alice', reason: 'it is back', operation: `back-${n}` },
      });
    }
    await control('pause', 'pause-1');
    repairs.start();
    await isHeld('v2', true);
    assert.equal(held.has('v1'), false, 'both were looked at together');
    await control('resume', 'resume-1');
    await isHeld('v1', true);
    await control('pause', 'pause-2');
    await isHeld('v1', false);
  } finally {
    repairs.stop();
    store.close();
    await etcd.process.kill();
  }
});
