import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  clusterStorageKey,
  formatClusterStorage,
  parseClusterStorage,
  type ServerEntry,
} from '@salvor/config-store';
import { EngineLink, startRedis, tempDir } from '@salvor/testkit';
import { EngineControl } from '@salvor/vdisk';
import { SurvivorRetirement } from '../src/survivor-retirement.ts';
import { CoordinatedCluster } from './coordinated-cluster.ts';

/** The engine that was left of pair 0 of `p1` and `s1`, with a vdisk of theirs and the remains of an unknown one. */
async function startSurvivor(cluster: CoordinatedCluster, dir: string, status: 'rip' | 'online') {
  await cluster.addVdisks('v1');
  const redis = await startRedis({ dir });
  const identity = { cluster: 's1', role: 'slave', shard: 0, generation: 1 } as const;
  await EngineControl.with({ address: redis.address, db: 0, timeoutMs: 1_000 }, (control) =>
    control.claim(identity, { mustBeEmpty: true }),
  );
  using link = await EngineLink.open(redis.port);
  for (const vdisk of ['v1', 'unknown']) await link.sendRaw('HSET', `nondedup:${vdisk}`, '1', 'block');
  await link.sendRaw('SET', 'salvor:epoch:v1', '1');
  const key = clusterStorageKey('s1');
  const { servers } = parseClusterStorage((await cluster.store.get(key))?.value ?? assert.fail());
  const entry: ServerEntry = {
    ...(servers[0] ?? assert.fail()),
    ...{ address: redis.address, status, state: status },
  };
  await cluster.store.transact({
    compare: [],
    puts: [{ key, value: formatClusterStorage({ servers: servers.with(0, entry) }) }],
  });
  const survivor = { cluster: 's1', address: redis.address, db: 0 };
  return { redis, incident: { id: 'p1-0-x', cluster: 'p1', shard: 0, survivor } };
}

async function keysOf(port: number): Promise<string[]> {
  using link = await EngineLink.open(port);
  const keys = await link.sendRaw('KEYS', '*');
  return (Array.isArray(keys) ? keys : []).map(String).sort();
}

it('the engine that was left of a pair that is given up loses its identity and its vdisks, and nothing else', async () => {
  await using dir = tempDir('survivor');
  await using cluster = await CoordinatedCluster.start();
  const { redis, incident } = await startSurvivor(cluster, dir.path, 'rip');
  await using _process = redis.process;
  const { store, log } = cluster;
  const retirement = new SurvivorRetirement({ store, log, access: { timeoutMs: 1_000 }, afterMs: 0 });
  retirement.plan(incident);
  await cluster.waitForLine('retired the engine that was left of a pair');
  assert.deepEqual(await keysOf(redis.port), ['nondedup:unknown']);
  await retirement.stop();
});

it('an engine that still serves is left alone', async () => {
  await using dir = tempDir('survivor');
  await using cluster = await CoordinatedCluster.start();
  const { redis, incident } = await startSurvivor(cluster, dir.path, 'online');
  await using _process = redis.process;
  const before = await keysOf(redis.port);
  const { store, log } = cluster;
  const retirement = new SurvivorRetirement({ store, log, access: { timeoutMs: 1_000 }, afterMs: 0 });
  retirement.plan(incident);
  await cluster.waitForLine('left the engine of a pair that is not given up as it is');
  await retirement.stop();
  assert.deepEqual(await keysOf(redis.port), before);
});
