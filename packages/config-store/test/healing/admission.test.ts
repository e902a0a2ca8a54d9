import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addSpares, createCluster } from '../../src/healing/apply-cluster-admission.ts';
import { applyEngineStatus } from '../../src/healing/apply-engine-status.ts';
import { createVdisk, deleteVdisk } from '../../src/healing/apply-vdisk-admission.ts';
import type { ClusterCreateRequest } from '../../src/healing/cluster-admission.ts';
import type { VdiskCreateRequest } from '../../src/healing/vdisk-admission.ts';
import { collectionKey, ownerKey, vdiskNbdKey, vdiskStaticKey, vdiskTemplateKey } from '../../src/keys.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { readVdisk } from '../../src/vdisk-directory.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure, type Pair, recordOf } from './store-fixture.ts';

let etcd: EtcdServer;
let store: ConfigStore;
let operations = 0;

before(async () => {
  etcd = await EtcdServer.start();
  store = openStore({ endpoints: [etcd.endpoint] });
});

after(async () => {
  store?.close();
  await etcd?.remove();
});

const as = (operation = `op-${++operations}`) => ({ operation, by: 'ops' });

function vdiskOn(pair: Pair, vdisk: string, changes: Partial<VdiskCreateRequest> = {}): VdiskCreateRequest {
  const { primary, slave } = pair;
  return {
    vdisk,
    type: 'db',
    sizeGiB: 2,
    blockSize: 4096,
    cluster: primary,
    slaveCluster: slave,
    readOnly: false,
    ...changes,
  };
}

describe('creating a vdisk', () => {
  it('writes what 0-Disk reads, once for an operation id', async () => {
    const pair = await createPair(store);
    const request = vdiskOn(pair, 'created');
    const first = await createVdisk(store, request, as('create-once'));
    assert.equal(first.outcome, 'applied', first.reason);
    const stored = await readVdisk(store, 'created');
    assert.deepEqual(stored?.static, {
      blockSize: 4096,
      size: 2,
      type: 'db',
      readOnly: false,
      templateVdiskID: '',
    });
    assert.equal(stored?.nbd.slaveStorageClusterID, pair.slave);
    const again = await createVdisk(store, request, as('create-once'));
    assert.deepEqual([again.outcome, again.at], ['already', first.at]);
    assert.equal((await readVdisk(store, 'created'))?.staticRevision, stored?.staticRevision);
    const other = await createVdisk(store, vdiskOn(pair, 'created', { sizeGiB: 3 }), as('create-once'));
    assert.equal(other.code, 'operation-reused');
    assert.equal((await createVdisk(store, request, as())).code, 'vdisk-exists');
  });

  it('of type boot may be made from another, which is noted until it has its block map', async () => {
    const pair = await createPair(store);
    const golden = await createVdisk(store, vdiskOn(pair, 'golden', { type: 'boot' }), as());
    assert.equal(golden.outcome, 'applied', golden.reason);
    const from = (vdisk: string, changes: Partial<VdiskCreateRequest> = {}) =>
      createVdisk(store, vdiskOn(pair, vdisk, { type: 'boot', templateVdisk: 'golden', ...changes }), as());
    assert.equal((await from('made')).outcome, 'applied');
    const stored = await readVdisk(store, 'made');
    assert.deepEqual(
      [stored?.static.templateVdiskID, stored?.nbd.templateStorageClusterID],
      ['golden', pair.primary],
    );
    const text = (await store.get(vdiskTemplateKey('made')))?.value ?? '';
    const { at, ...record } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual(record, { vdisk: 'golden', cluster: pair.primary, slaveCluster: pair.slave });
    assert.equal(typeof at, 'number');

    const refusals: [Partial<VdiskCreateRequest>, RegExp][] = [
      [{ type: 'db' }, /must be of type boot/],
      [{ blockSize: 8192 }, /blocks of 4096 bytes/],
      [{ sizeGiB: 1 }, /it has 2 GiB/],
      [{ templateVdisk: 'made' }, /has not got the blocks of its own template yet/],
    ];
    for (const [changes, reason] of refusals) {
      const result = await from('refused', changes);
      assert.deepEqual([result.outcome, result.code], ['refused', 'template-refused']);
      assert.match(result.reason, reason);
    }
    await store.transact({ compare: [], puts: [{ key: collectionKey(pair.primary), value: '{}' }] });
    assert.equal((await from('refused')).code, 'collection-running');
    await store.transact({ compare: [], deletes: [collectionKey(pair.primary)] });
    assert.equal((await deleteVdisk(store, 'made', as())).outcome, 'applied');
    assert.equal(await store.get(vdiskTemplateKey('made')), null);
  });

  it('is refused with the reason', async () => {
    const pair = await createPair(store);
    const table: [Partial<VdiskCreateRequest>, string][] = [
      [{ vdisk: 'a b' }, 'invalid-vdisk-id'],
      [{ vdisk: '' }, 'invalid-vdisk-id'],
      [{ vdisk: 'x'.repeat(65) }, 'invalid-vdisk-id'],
      [{ type: 'unknown' }, 'type-refused'],
      [{ type: 'boot', templateVdisk: 'nowhere' }, 'template-refused'],
      [{ type: 'DB' }, 'type-refused'],
      [{ sizeGiB: 1.5 }, 'invalid-size'],
      [{ sizeGiB: 0 }, 'invalid-size'],
      [{ blockSize: 1000 }, 'invalid-block-size'],
      [{ blockSize: 256 }, 'invalid-block-size'],
      [{ cluster: 'nowhere' }, 'unknown-cluster'],
      [{ slaveCluster: 'nowhere' }, 'unknown-cluster'],
      [{ cluster: pair.slave }, 'wrong-role'],
      [{ slaveCluster: pair.primary }, 'wrong-role'],
    ];
    for (const [changes, code] of table) {
      const result = await createVdisk(store, vdiskOn(pair, 'refused', changes), as());
      assert.deepEqual([result.outcome, result.code], ['refused', code], result.reason);
    }
    const stranger = await createPair(store);
    const crossed = await createVdisk(
      store,
      vdiskOn(pair, 'refused', { slaveCluster: stranger.slave }),
      as(),
    );
    assert.equal(crossed.code, 'clusters-not-paired');
    assert.equal(await store.get(vdiskStaticKey('refused')), null);
  });

  it('is refused while the primary or the slave is not healthy, and so is deleting', async () => {
    for (const side of ['primary', 'slave'] as const) {
      const pair = await createPair(store);
      const kept = `kept-${side}`;
      assert.equal((await createVdisk(store, vdiskOn(pair, kept), as())).outcome, 'applied');
      const failed = await applyEngineStatus(store, failure(pair.address(side, 1)));
      assert.equal(failed.outcome, 'applied');
      assert.equal(
        (await createVdisk(store, vdiskOn(pair, `new-${side}`), as())).code,
        'cluster-not-healthy',
      );
      assert.equal((await deleteVdisk(store, kept, as())).code, 'cluster-not-healthy');
      assert.notEqual(await store.get(vdiskNbdKey(kept)), null);
    }
  });

  it('racing with a failure never leaves a vdisk that was created after the cluster ceased to be healthy', async () => {
    for (let round = 0; round < 10; round++) {
      const pair = await createPair(store);
      const vdisk = `race-${round}`;
      const [created, failed] = await Promise.all([
        createVdisk(store, vdiskOn(pair, vdisk), as()),
        applyEngineStatus(store, failure(pair.address('slave', 0))),
      ]);
      assert.equal(failed.outcome, 'applied');
      const stored = await readVdisk(store, vdisk);
      assert.equal(stored !== null, created.outcome === 'applied', created.reason);
      if (stored === null) assert.equal(created.code, 'cluster-not-healthy');
      else {
        const { operation } = await recordOf(store, pair.slave);
        assert.equal(operation, `report-${pair.address('slave', 0)}`);
        const changedAt = (await store.list(`/salvor/clusters/${pair.slave}`)).entries[0]?.revision ?? '0';
        assert.ok(BigInt(stored.staticRevision) < BigInt(changedAt));
      }
    }
  });

  it('by ten at once under ten operations succeeds for one', async () => {
    const pair = await createPair(store);
    const results = await Promise.all(
      Array.from({ length: 10 }, () => createVdisk(store, vdiskOn(pair, 'contended'), as())),
    );
    assert.equal(results.filter(({ outcome }) => outcome === 'applied').length, 1);
    assert.equal(results.filter(({ code }) => code === 'vdisk-exists').length, 9);
  });
});

describe('deleting a vdisk', () => {
  it('is refused while it is owned, then removes its configuration, once', async () => {
    const pair = await createPair(store);
    await createVdisk(store, vdiskOn(pair, 'doomed'), as());
    const owner = JSON.stringify({ server: 'nbd-7', instance: 'i', since: 1 });
    await store.transact({ compare: [], puts: [{ key: ownerKey('doomed'), value: owner }] });
    const owned = await deleteVdisk(store, 'doomed', as());
    assert.equal(owned.code, 'vdisk-owned');
    assert.match(owned.reason, /nbd-7/);
    await store.transact({ compare: [], deletes: [ownerKey('doomed')] });
    assert.equal((await deleteVdisk(store, 'doomed', as('delete-once'))).outcome, 'applied');
    assert.equal(await readVdisk(store, 'doomed'), null);
    assert.equal((await deleteVdisk(store, 'doomed', as('delete-once'))).outcome, 'already');
    assert.equal((await deleteVdisk(store, 'doomed', as())).code, 'unknown-vdisk');
  });
});

describe('creating a cluster', () => {
  const request = (cluster: string, changes: Partial<ClusterCreateRequest> = {}): ClusterCreateRequest => ({
    cluster,
    role: 'primary',
    engines: [{ address: `${cluster}:1`, db: 0 }],
    spares: [],
    ...changes,
  });

  it('is done once for an operation id, whatever the order of the sides of a pair', async () => {
    const slave = request('late-s', { role: 'slave', partner: 'late-p' });
    assert.equal((await createCluster(store, slave, as('late-s'))).outcome, 'applied');
    assert.equal((await createCluster(store, slave, as('late-s'))).outcome, 'already');
    assert.equal((await createCluster(store, slave, as())).code, 'cluster-exists');
    assert.equal((await createCluster(store, request('late-p'), as())).outcome, 'applied');
    assert.equal((await recordOf(store, 'late-p')).partner, 'late-s');
    assert.equal((await recordOf(store, 'late-s')).partner, 'late-p');
  });

  it('links a partner that was made without one', async () => {
    await createCluster(store, request('lone-s', { role: 'slave' }), as());
    assert.equal(
      (await createCluster(store, request('lone-p', { partner: 'lone-s' }), as())).outcome,
      'applied',
    );
    assert.equal((await recordOf(store, 'lone-s')).partner, 'lone-p');
  });

  it('is refused with the reason', async () => {
    const pair = await createPair(store);
    const taken = (of: 'primary' | 'spare') => [{ address: pair.address(of, 0), db: 5 }];
    const twice = [
      { address: 'twice:1', db: 0 },
      { address: 'twice:1', db: 1 },
    ];
    const table: [Partial<ClusterCreateRequest>, string][] = [
      [{ cluster: 'a.b' }, 'invalid-cluster-id'],
      [{ cluster: '' }, 'invalid-cluster-id'],
      [{ cluster: 'c'.repeat(49) }, 'invalid-cluster-id'],
      [{ engines: [] }, 'no-engines'],
      [{ engines: [{ address: 'nohost', db: 0 }] }, 'invalid-engine'],
      [{ engines: [{ address: 'h:1', db: -1 }] }, 'invalid-engine'],
      [{ engines: twice }, 'address-in-use'],
      [{ engines: taken('primary') }, 'address-in-use'],
      [{ spares: taken('spare') }, 'address-in-use'],
      [{ partner: 'fresh' }, 'partner-refused'],
      [{ partner: pair.primary }, 'partner-refused'],
      [{ partner: pair.slave }, 'partner-refused'],
    ];
    for (const [changes, code] of table) {
      const result = await createCluster(store, request('fresh', changes), as());
      assert.deepEqual([result.outcome, result.code], ['refused', code], result.reason);
    }
  });

  it('gives an address to one of two clusters that ask for it at once', async () => {
    const engines = [{ address: 'wanted:1', db: 0 }];
    const results = await Promise.all(
      ['want-a', 'want-b', 'want-c'].map((cluster) =>
        createCluster(store, request(cluster, { engines }), as()),
      ),
    );
    assert.deepEqual(results.map(({ code }) => code).sort(), [
      'address-in-use',
      'address-in-use',
      'admitted',
    ]);
  });

  it('takes spares later, also an offline engine of its own, to be rebuilt in its place', async () => {
    const pair = await createPair(store, 0);
    const own = pair.address('primary', 0);
    const spare = (address: string) => ({ cluster: pair.primary, spares: [{ address, db: 0 }] });
    assert.equal((await addSpares(store, spare(own), as())).code, 'address-in-use');
    await applyEngineStatus(store, failure(own));
    assert.equal((await addSpares(store, spare(own), as())).outcome, 'applied');
    assert.equal((await addSpares(store, spare(own), as())).code, 'address-in-use');
    assert.equal((await addSpares(store, spare(pair.address('slave', 0)), as())).code, 'address-in-use');
    assert.equal((await addSpares(store, { cluster: 'nowhere', spares: [] }, as())).code, 'unknown-cluster');
  });
});
