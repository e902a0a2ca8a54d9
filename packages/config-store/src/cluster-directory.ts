/** Which storage clusters Salvor looks after. */
import { clusterStorageKey, parseKey, SALVOR_CLUSTERS_PREFIX } from './keys.ts';
import { MAX_OPERATIONS } from './transaction.ts';
import type { StoreEntry, StoreReader } from './types.ts';

/** A cluster as it is stored: whoever reads it decides what a value that cannot be read means. */
export interface StoredCluster {
  readonly cluster: string;
  /** Salvor's own record. */
  readonly record: StoreEntry;
  /** The storage configuration that 0-Disk's tools read too. */
  readonly storage: StoreEntry;
}

/** Every cluster that has both a record of Salvor's and a storage configuration, in key order. */
export async function listClusters(store: StoreReader): Promise<StoredCluster[]> {
  const records = (await store.list(SALVOR_CLUSTERS_PREFIX)).entries.flatMap((record) => {
    const about = parseKey(record.key);
    return about?.kind === 'salvor-cluster' ? [{ cluster: about.cluster, record }] : [];
  });
  const clusters: StoredCluster[] = [];
  for (let from = 0; from < records.length; from += MAX_OPERATIONS) {
    const page = records.slice(from, from + MAX_OPERATIONS);
    const { entries } = await store.getMany(page.map(({ cluster }) => clusterStorageKey(cluster)));
    for (const { cluster, record } of page) {
      const storage = entries.get(clusterStorageKey(cluster));
      if (storage != null) clusters.push({ cluster, record, storage });
    }
  }
  return clusters;
}
