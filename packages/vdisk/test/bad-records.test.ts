import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterStorageKey, incidentKey, parseClusterStorage } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { DataPlane, primary, slave } from './data-plane.ts';

const block = (fill: number): Buffer => Buffer.alloc(4096, fill);

test('an incident record that cannot be read is told once, and the rest of etcd is followed', async () => {
  await using plane = await DataPlane.start();
  await plane.addVdisk('v1');
  const { vdisk: mounted, complaints } = await plane.mount('v1');
  await mounted.device.write(0, block(1));
  const key = incidentKey(primary, 1);
  await plane.store.transact({ compare: [], puts: [{ key, value: '{"id":"cut of' }] });
  const [engine] = plane.primaries;
  await plane.reportFailure(engine?.address ?? assert.fail());
  await until(() => mounted.device.shardStates()[0]?.mode === 'alone', {
    what: 'shard 0 to be followed',
    timeoutMs: 5_000,
  });
  await mounted.device.write(0, block(2));
  assert.deepEqual(await mounted.device.read(0, 4096), block(2));
  assert.equal(mounted.device.shardStates()[1]?.mode, 'mirrored');
  assert.deepEqual(complaints, ['ignored a bad incident record']);
  await mounted.unmount();
  const next = await plane.mount('v1');
  assert.deepEqual(await next.vdisk.device.read(0, 4096), block(2));
  assert.deepEqual(next.complaints, ['ignored a bad incident record']);
});

test('of a configuration that cannot be read nothing is taken over, the placement neither', async () => {
  await using plane = await DataPlane.start();
  await plane.addVdisk('v1');
  const { vdisk: mounted, complaints } = await plane.mount('v1');
  await mounted.device.write(4096, block(7));
  const [primaryKey, slaveKey] = [clusterStorageKey(primary), clusterStorageKey(slave)];
  const stored = (await plane.store.get(primaryKey))?.value ?? assert.fail();
  // The second of the two servers is gone from placement, in a configuration whose other half is not readable.
  const second = stored.lastIndexOf('- address');
  const ripped = stored.slice(0, second) + stored.slice(second).replaceAll('online', 'rip');
  assert.equal(parseClusterStorage(ripped).servers[1]?.status, 'rip');
  for (const [told, put] of [
    { key: slaveKey, value: 'servers: none' },
    { key: primaryKey, value: ripped },
  ].entries()) {
    await plane.store.transact({ compare: [], puts: [put] });
    await until(() => complaints.length > told, { what: `${put.key} to be followed`, timeoutMs: 5_000 });
  }
  assert.ok(complaints.every((complaint) => complaint === 'ignored a bad cluster configuration'));
  assert.deepEqual(await mounted.device.read(4096, 4096), block(7));
});
