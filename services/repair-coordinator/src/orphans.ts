import {
  type ConfigStore,
  parseKey,
  parseVdiskNbd,
  VDISK_OWNERS_PREFIX,
  vdiskNbdKey,
} from '@salvor/config-store';
import type { ScannedEngineInit, VdiskRemainsInit } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { EngineReader, takeCensus } from '@salvor/vdisk';
import { readCluster } from './descriptions.ts';
import type { EngineAccess } from './vdisk-blocks.ts';
import { placesIn } from './vdisk-places.ts';

/** Keys of an engine that are looked at. */
const KEYS_MAX = 2_000_000;

export interface Orphans {
  readonly cluster: string;
  readonly orphans: VdiskRemainsInit[];
  readonly engines: ScannedEngineInit[];
}

/**
 * What the engines of a cluster hold of vdisks that have no place there. Only looks: a vdisk that is unknown here may be
 * known to another etcd, or to somebody who is about to restore its configuration.
 */
export async function findOrphans(
  store: ConfigStore,
  cluster: string,
  access: EngineAccess,
): Promise<Orphans> {
  const known = await readCluster(store, cluster);
  const spares = known.record.spares.map(({ address, db }) => ({ address, db, shard: undefined }));
  const orphans: VdiskRemainsInit[] = [];
  const engines: ScannedEngineInit[] = [];
  const why = new Map<string, VdiskRemainsInit['why'] | null>();
  for (const { address, db, shard } of [...placesIn(known), ...spares]) {
    const place = { address, ...(shard === undefined ? {} : { shard }) };
    try {
      using reader = await EngineReader.open({ address, db, ...access }, null);
      const census = await takeCensus(reader, { keysMax: KEYS_MAX });
      engines.push({ ...place, keys: census.scanned, complete: census.complete });
      for (const { vdisk, keys, keyCount, bytes } of census.vdisks.values()) {
        const reason = why.get(vdisk) ?? (await whyOrphan(store, vdisk, cluster));
        why.set(vdisk, reason);
        if (reason === null) continue;
        orphans.push({
          vdisk,
          why: reason,
          ...place,
          keys: [...keys],
          keyCount,
          bytes,
          truncated: !census.complete,
        });
      }
    } catch (error) {
      engines.push({ ...place, keys: 0, complete: false, problem: messageOf(error) });
    }
  }
  return { cluster, orphans: orphans.sort((a, b) => (a.vdisk < b.vdisk ? -1 : 1)), engines };
}

/** Null when it belongs there, or when an operation has it. */
async function whyOrphan(
  store: ConfigStore,
  vdisk: string,
  cluster: string,
): Promise<VdiskRemainsInit['why'] | null> {
  const nbd = await store.get(vdiskNbdKey(vdisk));
  if (nbd !== null) {
    const { storageClusterID, slaveStorageClusterID, templateStorageClusterID } = parseVdiskNbd(nbd.value);
    const clusters = [storageClusterID, slaveStorageClusterID, templateStorageClusterID];
    return clusters.includes(cluster) ? null : 'other-cluster';
  }
  // Owned, or being made or removed: somebody takes care of it.
  const { entries } = await store.list(VDISK_OWNERS_PREFIX);
  const isKnown = entries.some(({ key }) => {
    const about = parseKey(key);
    return (about?.kind === 'vdisk-owner' || about?.kind === 'vdisk-lifecycle') && about.vdisk === vdisk;
  });
  return isKnown ? null : 'unknown-vdisk';
}
