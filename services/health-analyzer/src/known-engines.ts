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
  readonly shard: number;
  readonly address: string;
  readonly db: number;
  /** Null for a spare under rebuild, which may not have it yet. */
  readonly identity: string | null;
  /** Vdisks rely on it, or a repair does: its death must not go unnoticed. */
  readonly isInUse: boolean;
}

/** By cluster: its engines, or why its configuration cannot be read. */
type KnownClusters = ReadonlyMap<string, readonly KnownEngine[] | Error>;

/** What was read may be so old where many ask at once: a round of probes of many engines needs one reading. */
export const KNOWN_AGE_MAX_MS = 100;

/** Which engines there are, and who each of them should be, by what etcd says. Those who ask at the same time share a reading. */
export class KnownEngines {
  readonly #store: ConfigStore;
  readonly #log: Logger;
  #latest: { readonly begunAt: number; readonly clusters: Promise<KnownClusters> } | null = null;

  constructor(store: ConfigStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Of every cluster. One whose configuration cannot be read is left out, and named in the log. */
  async all(ageMaxMs: number): Promise<KnownEngine[]> {
    return [...(await this.#read(ageMaxMs))].flatMap(([cluster, engines]) => {
      if (!(engines instanceof Error)) return engines;
      const error = engines.message;
      this.#log.error({ cluster, error }, 'engines of a cluster with a bad configuration left out');
      return [];
    });
  }

  /**
   * The identity that an engine must have; null when it is not, or not yet, that shard of the cluster.
   *
   * @throws the error of a configuration that cannot be read: what has no identity is not taken for healthy then
   */
  async identityOf(
    { cluster, shard, address }: Pick<KnownEngine, 'cluster' | 'shard' | 'address'>,
    ageMaxMs: number,
  ): Promise<string | null> {
    const engines = (await this.#read(ageMaxMs)).get(cluster) ?? [];
    if (engines instanceof Error) throw engines;
    return engines.find((one) => one.shard === shard && one.address === address)?.identity ?? null;
  }

  #read(ageMaxMs: number): Promise<KnownClusters> {
    const begunAt = performance.now();
    if (this.#latest !== null && begunAt - this.#latest.begunAt < ageMaxMs) return this.#latest.clusters;
    const clusters = readAll(this.#store);
    const latest = { begunAt, clusters };
    this.#latest = latest;
    clusters.catch(() => {
      // The next who asks tries again.
      if (this.#latest === latest) this.#latest = null;
    });
    return clusters;
  }
}

async function readAll(store: ConfigStore): Promise<KnownClusters> {
  const clusters = new Map<string, readonly KnownEngine[] | Error>();
  for (const { cluster, record, storage } of await listClusters(store)) {
    try {
      const { role } = parseRecord(salvorClusterSchema, record.key, record.value);
      clusters.set(cluster, enginesOf(cluster, role, parseClusterStorage(storage.value)));
    } catch (error) {
      clusters.set(cluster, error instanceof Error ? error : new Error(messageOf(error)));
    }
  }
  return clusters;
}

function enginesOf(cluster: string, role: ClusterRole, { servers }: ClusterStorage): KnownEngine[] {
  return servers.flatMap(({ address, db, generation, status, replacement }, shard): KnownEngine[] => {
    if (status === 'rip') return [];
    const identity = identityText({ cluster, role, shard, generation });
    const isInUse = status === 'online' || status === 'repair-tmp-outage';
    const own = { cluster, shard, address, db, identity, isInUse };
    if (replacement === undefined) return [own];
    const spare = { cluster, shard, address: replacement.address, db: replacement.db };
    switch (status) {
      case 'repair-final-outage':
        return [own, { ...spare, identity: null, isInUse: true }];
      // It failed while it was filled, and is waited for.
      case 'offline': {
        const known = identityText({ cluster, role, shard, generation: replacement.generation });
        return [own, { ...spare, identity: known, isInUse: false }];
      }
      default:
        return [own];
    }
  });
}
