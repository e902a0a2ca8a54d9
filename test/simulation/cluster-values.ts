import type { ClusterStorage } from '../../packages/config-store/src/cluster-storage.ts';
import type { SalvorClusterRecord } from '../../packages/config-store/src/healing/records.ts';
import type { Etcd } from './etcd.ts';
import { recordKey, storageKey } from './keys.ts';

/** What etcd holds of a cluster of the run now. Clusters are there from the start, and stay. */
export function storageOf(etcd: Etcd, cluster: string): ClusterStorage {
  return there(etcd, storageKey(cluster)) as ClusterStorage;
}

export function recordOf(etcd: Etcd, cluster: string): SalvorClusterRecord {
  return there(etcd, recordKey(cluster)) as SalvorClusterRecord;
}

function there(etcd: Etcd, key: string): unknown {
  const entry = etcd.get(key);
  if (entry === null) throw new Error(`etcd has no ${key}`);
  return entry.value;
}
