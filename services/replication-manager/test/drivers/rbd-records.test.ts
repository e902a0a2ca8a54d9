/** The record of a mirrored image in a real etcd. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ConfigStore, openStore, rbdVolumeKey } from '@salvor/config-store';
import { type EtcdHandle, startEtcd, type TempDir, tempDir } from '@salvor/testkit';
import { RbdDriver } from '../../src/drivers/rbd/rbd-driver.ts';
import { etcdRbdRecords } from '../../src/drivers/rbd/rbd-records.ts';
import { RbdModel } from './rbd-model.ts';

let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;

before(async () => {
  dir = tempDir('rbd-records');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

function driver(model: RbdModel): RbdDriver {
  return new RbdDriver({
    ...{ volume: 'vol1', pool: 'vol', image: 'img', zone: 'north', peerZone: 'south' },
    ...{ exec: model.exec('north'), peerExec: model.exec('south'), records: etcdRbdRecords(store, 'vol1') },
    ...{ peerRecord: async () => null, now: () => model.now },
  });
}

test('two processes that give orders for one volume: each order is done once, and what is on record is of both', async () => {
  const model = new RbdModel();
  model.createImage('north', 'img');
  const [one, two] = [driver(model), driver(model)];
  const ends = await Promise.allSettled([
    one.enable('o1', { mode: 'periodic' }),
    two.enable('o1', { mode: 'periodic' }),
  ]);
  // Whoever was slower is told so, and gives the order again.
  for (const end of ends)
    if (end.status === 'rejected') assert.equal((end.reason as { code?: string }).code, 'conflict');
  assert.equal((await two.enable('o1', { mode: 'periodic' })).state, 'done');
  for (let i = 0; i < 5; i++) model.tick();
  const points = await Promise.allSettled([one.takePoint('o2'), two.takePoint('o2'), one.takePoint('o3')]);
  for (const end of points)
    if (end.status === 'rejected') assert.equal((end.reason as { code?: string }).code, 'conflict');
  assert.ok(points.some((end) => end.status === 'fulfilled' && end.value.made !== ''));
  for (let i = 0; i < 5; i++) {
    model.tick();
    await two.advance();
  }
  const stored = await etcdRbdRecords(store, 'vol1').read();
  const names = stored?.record.points.map(({ name }) => name) ?? [];
  assert.equal(new Set(names).size, names.length, `no name twice: ${names.join()}`);
  assert.ok(stored?.record.points.every(({ complete }) => complete));
});

test('a record is written only where it is as it was read, and one that is damaged is told with its key', async () => {
  const records = etcdRbdRecords(store, 'vol1');
  const stored = await records.read();
  assert.ok(stored !== null);
  assert.notEqual(await records.write(stored.record, stored.revision), null);
  assert.equal(await records.write(stored.record, stored.revision), null, 'others were faster');
  const key = rbdVolumeKey('vol2');
  await store.transact({ compare: [], puts: [{ key, value: '{"volume":"vol2"}' }] });
  await assert.rejects(etcdRbdRecords(store, 'vol2').read(), /rbd-volumes\/vol2/);
});
