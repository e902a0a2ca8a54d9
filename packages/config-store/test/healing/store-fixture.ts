/** A pair of clusters in a real etcd, for tests of the shells. Every test has clusters of its own. */
import assert from 'node:assert/strict';
import { parseClusterStorage, type ServerEntry } from '../../src/cluster-storage.ts';
import { createCluster } from '../../src/healing/apply-cluster-admission.ts';
import type { FailureReported } from '../../src/healing/engine-status-decision.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import { type SalvorClusterRecord, salvorClusterSchema } from '../../src/healing/records.ts';
import { clusterStorageKey, salvorClusterKey } from '../../src/keys.ts';
import type { ConfigStore } from '../../src/types.ts';

let pairs = 0;

export interface Pair {
  readonly primary: string;
  readonly slave: string;
  /** Address of engine `shard` of the primary, the slave, or of a spare. */
  address(of: 'primary' | 'slave' | 'spare', shard: number): string;
}

export async function createPair(store: ConfigStore, spares = 1, engines = 3): Promise<Pair> {
  const number = ++pairs;
  const hosts = { primary: 1, slave: 2, spare: 3 };
  const address: Pair['address'] = (of, shard) => `10.${number}.0.${hosts[of]}:${22_000 + shard}`;
  const refs = (of: keyof typeof hosts, count: number) =>
    Array.from({ length: count }, (_, shard) => ({ address: address(of, shard), db: 0 }));
  const primary = `p${number}`;
  const slave = `s${number}`;
  const options = (operation: string) => ({ operation: `${operation}-${number}`, by: 'test' });
  const first = await createCluster(
    store,
    {
      cluster: primary,
      role: 'primary',
      engines: refs('primary', engines),
      spares: refs('spare', spares),
      partner: slave,
    },
    options('create-primary'),
  );
  assert.equal(first.outcome, 'applied', first.reason);
  const second = await createCluster(
    store,
    { cluster: slave, role: 'slave', engines: refs('slave', engines), spares: [], partner: primary },
    options('create-slave'),
  );
  assert.equal(second.outcome, 'applied', second.reason);
  return { primary, slave, address };
}

export function failure(address: string, changes: object = {}): FailureReported {
  return {
    kind: 'failure-reported',
    address,
    reporter: 'nbd-1',
    reason: 'connection refused',
    operation: `report-${address}`,
    detectedAt: Date.now() + 60_000,
    ...changes,
  };
}

export async function serversOf(store: ConfigStore, cluster: string): Promise<readonly ServerEntry[]> {
  const entry = await store.get(clusterStorageKey(cluster));
  return parseClusterStorage(entry?.value ?? assert.fail(`no ${cluster}`)).servers;
}

export async function recordOf(store: ConfigStore, cluster: string): Promise<SalvorClusterRecord> {
  const key = salvorClusterKey(cluster);
  const entry = await store.get(key);
  return parseRecord(salvorClusterSchema, key, entry?.value ?? assert.fail(`no ${cluster}`));
}
