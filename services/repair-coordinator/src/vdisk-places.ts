import {
  type ConfigStore,
  engineInPlace,
  parseVdiskNbd,
  type ServerEntry,
  type VdiskNbd,
} from '@salvor/config-store';
import { EngineReader } from '@salvor/vdisk';
import { type KnownCluster, readCluster } from './descriptions.ts';
import type { EngineAccess } from './vdisk-blocks.ts';

/** Where a vdisk has blocks: one engine of one of its clusters. */
export interface VdiskPlace {
  readonly cluster: string;
  readonly role: 'primary' | 'slave';
  readonly shard: number;
  /** The engine that has the place: a spare that is rebuilt there, or that failed meanwhile and is waited for. */
  readonly address: string;
  readonly db: number;
  readonly generation: number;
  readonly status: ServerEntry['status'];
}

export async function placesOf(store: ConfigStore, clusters: readonly string[]): Promise<VdiskPlace[]> {
  const known = await Promise.all(clusters.map((cluster) => readCluster(store, cluster)));
  return known.flatMap(placesIn);
}

export function placesIn({ cluster, record, storage }: KnownCluster): VdiskPlace[] {
  return storage.servers.map((entry, shard) => {
    const { address, db, generation } = engineInPlace(entry);
    return { cluster, role: record.role, shard, address, db, generation, status: entry.status };
  });
}

/** Connects to the engine of a place, which must be the one that etcd says. */
export function readerOf(place: VdiskPlace, access: EngineAccess): Promise<EngineReader> {
  const { cluster, role, shard, generation, address, db } = place;
  return EngineReader.open({ address, db, ...access }, { cluster, role, shard, generation });
}

/** The clusters of a vdisk, the primary first. */
export function clustersIn(nbd: string | VdiskNbd): string[] {
  const { storageClusterID, slaveStorageClusterID } = typeof nbd === 'string' ? parseVdiskNbd(nbd) : nbd;
  return [...new Set([storageClusterID, slaveStorageClusterID])].filter((cluster) => cluster !== '');
}
