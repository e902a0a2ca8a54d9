/** Which storage clusters Salvor looks after. */
import { clusterStorageKey, parseKey, SALVOR_CLUSTERS_PREFIX } from './keys.ts';
import type { ConfigStore, StoreEntry } from './types.ts';

/** A cluster as it is stored: whoever reads it decides what a value that cannot be read means. */
export interface StoredCluster {
  readonly cluster: string;
  /** Salvor's own record. */
  readonly record: StoreEntry;
  /** The storage configuration that 0-Disk's tools read too. */
  readonly storage: StoreEntry;
}

/** Every cluster that has both a record of Salvor's and a storage configuration, in key order. */
export async function listClusters(store: ConfigStore): Promise<StoredCluster[]> {
  const clusters: StoredCluster[] = [];
  for (const record of (await store.list(SALVOR_CLUSTERS_PREFIX)).entries) {
    const about = parseKey(record.key);
    if (about?.kind !== 'salvor-cluster') continue;
    const storage = await store.get(clusterStorageKey(about.cluster));
    if (storage !== null) clusters.push({ cluster: about.cluster, record, storage });
  }
  return clusters;
}
