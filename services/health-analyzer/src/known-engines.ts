import {
  type ClusterRole,
  type ClusterStorage,
  type ConfigStore,
  listClusters,
  parseClusterStorage,
  parseRecord,
  salvorClusterSchema,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { identityText } from '@salvor/vdisk';

export interface KnownEngine {
  readonly cluster: string;
  readonly address: string;
  readonly db: number;
  /** Null for a spare under rebuild, which may not have it yet. */
  readonly identity: string | null;
  /** Vdisks rely on it, or a repair does: its death must not go unnoticed. */
  readonly isInUse: boolean;
}

/** The engines of every cluster. A cluster whose configuration cannot be read is left out, and named in the log. */
export async function knownEngines(store: ConfigStore, log: Logger): Promise<KnownEngine[]> {
  return (await listClusters(store)).flatMap(({ cluster, record, storage }) => {
    try {
      const { role } = parseRecord(salvorClusterSchema, record.key, record.value);
      return enginesOf(cluster, role, parseClusterStorage(storage.value));
    } catch (error) {
      log.error(
        { cluster, error: messageOf(error) },
        'engines of a cluster with a bad configuration left out',
      );
      return [];
    }
  });
}

function enginesOf(cluster: string, role: ClusterRole, { servers }: ClusterStorage): KnownEngine[] {
  return servers.flatMap(({ address, db, generation, status, replacement }, shard): KnownEngine[] => {
    if (status === 'rip') return [];
    const identity = identityText({ cluster, role, shard, generation });
    const isInUse = status === 'online' || status === 'repair-tmp-outage';
    const spare = status === 'repair-final-outage' ? replacement : undefined;
    return [
      { cluster, address, db, identity, isInUse },
      ...(spare === undefined
        ? []
        : [{ cluster, address: spare.address, db: spare.db, identity: null, isInUse: true }]),
    ];
  });
}
