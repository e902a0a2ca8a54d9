import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ConfigStore, clusterStorageKey, SALVOR_CLUSTERS_PREFIX } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { identityText } from '@salvor/vdisk';
import { KnownEngines } from '../src/known-engines.ts';
import { ProbedCluster } from './probed-cluster.ts';

/** The store, with a count of how often all clusters were listed. */
function counting(store: ConfigStore): { store: ConfigStore; readings: () => number } {
  let readings = 0;
  const list: ConfigStore['list'] = (prefix) => {
    if (prefix === SALVOR_CLUSTERS_PREFIX) readings++;
    return store.list(prefix);
  };
  return { store: { ...store, list }, readings: () => readings };
}

const HOUR_MS = 3_600_000;

it('however many ask at once who an engine should be, etcd is asked once', async () => {
  await using cluster = await ProbedCluster.start();
  const { store, readings } = counting(cluster.store);
  const engines = new KnownEngines(store, silentLogger);
  const { address } = cluster.engine;
  const place = { cluster: 'p1', shard: 0, address };
  const asked = Array.from({ length: 50 }, () => engines.identityOf(place, HOUR_MS));
  const expected = identityText({ cluster: 'p1', role: 'primary', shard: 0, generation: 1 });
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([expected]));
  assert.equal((await engines.all(HOUR_MS)).length, 1);
  assert.equal(readings(), 1);
  await engines.all(0);
  assert.equal(readings(), 2, 'who wants it as it is now gets that');
});

it('an engine that has another place, or none, has no identity to answer with', async () => {
  await using cluster = await ProbedCluster.start();
  const engines = new KnownEngines(cluster.store, silentLogger);
  const { address } = cluster.engine;
  assert.equal(await engines.identityOf({ cluster: 'p1', shard: 1, address }, 0), null);
  assert.equal(await engines.identityOf({ cluster: 'p2', shard: 0, address }, 0), null);
  assert.equal(await engines.identityOf({ cluster: 'p1', shard: 0, address: '127.0.0.1:1' }, 0), null);
});

it('who an engine should be is an error where its configuration cannot be read, and known again when it can', async () => {
  await using cluster = await ProbedCluster.start();
  const engines = new KnownEngines(cluster.store, silentLogger);
  const place = { cluster: 'p1', shard: 0, address: cluster.engine.address };
  const key = clusterStorageKey('p1');
  const good = (await cluster.store.get(key))?.value ?? assert.fail('there is a configuration');
  await cluster.store.transact({ compare: [], puts: [{ key, value: 'servers: 7' }] });
  await assert.rejects(engines.identityOf(place, 0), /servers/);
  assert.deepEqual(await engines.all(0), []);
  await cluster.store.transact({ compare: [], puts: [{ key, value: good }] });
  assert.notEqual(await engines.identityOf(place, 0), null);
});

it('a reading that fails is not kept for the next who asks', async () => {
  await using cluster = await ProbedCluster.start();
  let isAway = true;
  const list: ConfigStore['list'] = async (prefix) => {
    if (isAway) throw new Error('etcd is away');
    return cluster.store.list(prefix);
  };
  const engines = new KnownEngines({ ...cluster.store, list }, silentLogger);
  await assert.rejects(engines.all(HOUR_MS), /etcd is away/);
  isAway = false;
  assert.equal((await engines.all(HOUR_MS)).length, 1);
});
