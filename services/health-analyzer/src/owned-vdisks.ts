import { type ConfigStore, ownerKey, ownerSchema, parseRecord, vdisksOfCluster } from '@salvor/config-store';
import type { OwnedVdisk } from './missed-writes.ts';

/** The vdisks of a cluster that somebody owns; null when the configuration of one cannot be read. */
export async function ownedVdisks(store: ConfigStore, cluster: string): Promise<OwnedVdisk[] | null> {
  const { primary, slave, unreadable } = await vdisksOfCluster(store, cluster);
  if (unreadable.length > 0) return null;
  const owned: OwnedVdisk[] = [];
  for (const vdisk of new Set([...primary, ...slave])) {
    const key = ownerKey(vdisk);
    const entry = await store.get(key);
    if (entry !== null) owned.push({ vdisk, server: parseRecord(ownerSchema, key, entry.value).server });
  }
  return owned;
}
