import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type ConfigStore,
  formatVdiskNbd,
  formatVdiskStatic,
  listVdisks,
  openStore,
  ownerKey,
  readVdisk,
  vdiskNbdKey,
  vdiskStaticKey,
  vdisksOfCluster,
} from '@salvor/config-store';
import { EtcdServer } from './etcd/etcd-server.ts';
import { PATIENCE_MS } from './etcd/until.ts';

let server: EtcdServer;
let store: ConfigStore;

before(async () => {
  server = await EtcdServer.start();
  store = openStore({ endpoints: [server.endpoint], callTimeoutMs: PATIENCE_MS });
});

after(async () => {
  store.close();
  await server.remove();
});

const staticValue = formatVdiskStatic({
  blockSize: 4096,
  size: 1,
  type: 'db',
  readOnly: false,
  templateVdiskID: '',
});

async function create(vdisk: string, primary: string, slave: string): Promise<void> {
  const nbd = formatVdiskNbd({
    storageClusterID: primary,
    slaveStorageClusterID: slave,
    templateStorageClusterID: '',
    tlogServerClusterID: '',
  });
  await store.transact({
    compare: [],
    puts: [
      { key: vdiskStaticKey(vdisk), value: staticValue },
      { key: vdiskNbdKey(vdisk), value: nbd },
      { key: ownerKey(vdisk), value: '{}' },
    ],
  });
}

describe('the vdisk directory', () => {
  it('finds all vdisks, whatever their ids begin with', async () => {
    assert.deepEqual(await listVdisks(store), []);
    const ids = ['!first', '/odd', '/salvor0', 'ubuntu:latest', 'v1', '~last', 'ünïcode'];
    for (const id of ids) await create(id, 'one', '');
    assert.deepEqual(await listVdisks(store), [...ids].sort());
  });

  it('finds which vdisks use a cluster, and names those that may', async () => {
    for (let index = 0; index < 150; index += 1) await create(`p${index}`, 'pc', index % 2 === 0 ? 'sc' : '');
    await store.transact({ compare: [], puts: [{ key: vdiskNbdKey('broken'), value: '' }] });
    const ofPrimary = await vdisksOfCluster(store, 'pc');
    const ofSlave = await vdisksOfCluster(store, 'sc');
    assert.deepEqual([ofPrimary.primary.length, ofPrimary.slave.length], [150, 0]);
    assert.deepEqual([ofSlave.primary.length, ofSlave.slave.length], [0, 75]);
    assert.deepEqual(
      ofPrimary.unreadable.map(({ vdisk }) => vdisk),
      ['broken'],
    );
  });

  it('reads a vdisk whole or not at all', async () => {
    await create('whole', 'pc', 'sc');
    const vdisk = await readVdisk(store, 'whole');
    assert.equal(vdisk?.static.size, 1);
    assert.equal(vdisk?.nbd.slaveStorageClusterID, 'sc');
    assert.equal(vdisk?.nbdRevision, vdisk?.staticRevision);
    await store.transact({ compare: [], deletes: [vdiskNbdKey('whole')] });
    assert.equal(await readVdisk(store, 'whole'), null);
  });
});
