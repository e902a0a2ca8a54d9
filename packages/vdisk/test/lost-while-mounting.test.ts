import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConfigStore,
  clusterStorageKey,
  formatClusterStorage,
  ownerKey,
  parseClusterStorage,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { mountVdisk } from '../src/index.ts';
import { BreakingEngine } from './breaking-engine.ts';
import { DataPlane, mountSettings, primary, slave } from './data-plane.ts';

test('a vdisk whose owner key goes while it is being mounted is not mounted', async () => {
  await using plane = await DataPlane.start({ shards: 1, hasSlave: false });
  await plane.addVdisk('v1');
  const key = ownerKey('v1');
  // The key goes between the first look at etcd and the first thing that is done with it.
  const store: ConfigStore = {
    ...plane.store,
    watch: async (selection, onChange) => {
      const watch = await plane.store.watch(selection, onChange);
      await plane.store.transact({ compare: [], deletes: [key] });
      await until(() => !watch.entries().has(key), { what: 'the watch to follow', timeoutMs: 5_000 });
      return watch;
    },
  };
  const lost: string[] = [];
  const failures: string[] = [];
  const mounting = mountVdisk({
    store,
    vdisk: 'v1',
    owner: { server: 'nbd-1', instance: 'test' },
    settings: mountSettings,
    events: {
      engineFailed: ({ reason }) => failures.push(reason),
      repairCompleted() {},
      dataUnavailable() {},
      dataAvailable() {},
      blocksCorrupt() {},
      takeoverAsked: () => {},
      ownershipLost: (_, reason) => lost.push(reason),
    },
    log: silentLogger,
  });
  await assert.rejects(
    mounting.then((mounted) => mounted.unmount()),
    { code: 'ownership-lost', message: /owner key is gone/ },
  );
  assert.equal(lost.length, 1);
  assert.deepEqual(failures, [], 'the engines are well');
});

test('a finished repair that is on record is seen as such by the owner that recorded it', async () => {
  await using plane = await DataPlane.start({ shards: 1 });
  await plane.addVdisk('v1');
  const { vdisk: mounted, repairs } = await plane.mount('v1');
  const [engine] = plane.primaries;
  const [partner] = plane.slaves;
  assert.ok(engine !== undefined && partner !== undefined);
  await mounted.device.write(0, Buffer.alloc(4096, 1));
  await plane.reportFailure(engine.address);
  await until(() => mounted.device.shardStates()[0]?.mode === 'alone', {
    what: 'the slave to serve alone',
    timeoutMs: 5_000,
  });
  await mounted.device.write(4096, Buffer.alloc(4096, 2));
  await plane.judge(engine.address, 'temporary');
  await until(() => repairs.length === 1, { what: 'the repair', timeoutMs: 10_000 });
  await partner.process.kill();
  await mounted.device.write(8192, Buffer.alloc(4096, 3));
  assert.equal(mounted.device.shardStates()[0]?.mode, 'alone');
  assert.equal((await mounted.device.read(4096, 1))[0], 2);
  await mounted.unmount();
});

for (const [cluster, side] of [
  [primary, 'primaries'],
  [slave, 'slaves'],
] as const) {
  test(`an engine of ${cluster} that dies while the members of its pair are compared has failed; the other one serves`, async () => {
    await using plane = await DataPlane.start({ shards: 1 });
    await plane.addVdisk('v1');
    const { vdisk: before } = await plane.mount('v1');
    await before.device.write(0, Buffer.alloc(4096, 7));
    await before.unmount();
    // The dirty map is asked for once at a mount, after both members were fenced.
    await using engine = await BreakingEngine.inFrontOf(plane[side][0]?.port ?? 0, 'BITCOUNT');
    const key = clusterStorageKey(cluster);
    const entry = await plane.store.get(key);
    const { servers } = parseClusterStorage(entry?.value ?? '');
    const moved = servers.map((server) => ({ ...server, address: engine.address }));
    await plane.store.transact({
      compare: [],
      puts: [{ key, value: formatClusterStorage({ servers: moved }) }],
    });
    const { vdisk, failures } = await plane.mount('v1');
    assert.deepEqual(failures, [{ address: engine.address, fault: 'unreachable' }]);
    assert.equal(await plane.statusOf(engine.address), 'offline');
    assert.equal(vdisk.device.shardStates()[0]?.mode, 'alone');
    assert.deepEqual(await vdisk.device.read(0, 4096), Buffer.alloc(4096, 7));
    await vdisk.unmount();
  });
}
