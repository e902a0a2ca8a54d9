/** A spare that failed while it was filled, and stays in its place because its partner was down. */
import {
  type ConfigStore,
  clusterStorageKey,
  type IncidentRecord,
  parseClusterStorage,
  parseRecord,
  salvorClusterKey,
  salvorClusterSchema,
} from '@salvor/config-store';
import type { ProbeTarget } from '@salvor/vdisk';

/** The engine to judge: of a spare that is waited for, not the one that it replaces, which is lost. */
export function engineOf({ address, db, replacement }: IncidentRecord): Pick<ProbeTarget, 'address' | 'db'> {
  return replacement ?? { address, db };
}

/** Whether it may have writes that no other engine has. */
export async function isSpareNeeded(
  store: ConfigStore,
  { cluster, shard }: IncidentRecord,
): Promise<boolean> {
  const key = salvorClusterKey(cluster);
  const record = await store.get(key);
  const partner = record === null ? undefined : parseRecord(salvorClusterSchema, key, record.value).partner;
  if (partner === undefined) return true;
  const storage = await store.get(clusterStorageKey(partner));
  return storage === null || parseClusterStorage(storage.value).servers[shard]?.status !== 'online';
}
