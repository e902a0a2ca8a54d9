import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  type ConfigStore,
  createCluster,
  createVdisk,
  deleteVdisk,
  openStore,
  ownerKey,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { startEtcd, tempDir } from '@salvor/testkit';
import { mountVdisk } from '../src/mount.ts';

it('a vdisk that is deleted while a server takes it is not mounted, and its owner key is free again', async () => {
  await using dir = tempDir('deleted-while-taken');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  try {
    const options = (operation: string) => ({ operation, by: 'test' });
    const engines = [{ address: '127.0.0.1:1', db: 0 }];
    await createCluster(store, { cluster: 'p1', role: 'primary', engines, spares: [] }, options('cluster'));
    const wanted = { vdisk: 'v1', type: 'db', sizeGiB: 1, blockSize: 4096, cluster: 'p1', readOnly: false };
    assert.equal((await createVdisk(store, wanted, options('create'))).outcome, 'applied');
    // The delete falls between the look at the vdisk and the taking of its owner key.
    const slow: ConfigStore = {
      ...store,
      grantLease: async (ttlSeconds) => {
        assert.equal((await deleteVdisk(store, 'v1', options('delete'))).outcome, 'applied');
        return store.grantLease(ttlSeconds);
      },
    };
    const mounting = mountVdisk({
      store: slow,
      vdisk: 'v1',
      owner: { server: 'nbd-1', instance: 'test' },
      settings: {
        leaseTtlSeconds: 5,
        connectTimeoutMs: 100,
        commandTimeoutMs: 100,
        proposeAfterMs: 100,
        holdMaxMs: 300,
      },
      events: {
        engineFailed() {},
        repairCompleted() {},
        dataUnavailable() {},
        dataAvailable() {},
        blocksCorrupt() {},
        ownershipLost() {},
        takeoverAsked() {},
      },
      log: silentLogger,
    });
    await assert.rejects(mounting, { code: 'being-deleted' });
    assert.equal(await store.get(ownerKey('v1')), null);
  } finally {
    store.close();
    await etcd.process.kill();
  }
});
