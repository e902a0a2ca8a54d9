/** Which clusters hold an engine's address. A cache for speed only: what it says is checked by every transaction. */
import { type ClusterStorage, parseClusterStorage } from '../cluster-storage.ts';
import { ConfigValueError } from '../errors.ts';
import {
  clusterStorageKey,
  parseKey,
  SALVOR_CLUSTERS_PREFIX,
  SALVOR_PREFIX,
  salvorClusterKey,
} from '../keys.ts';
import type { ConfigStore, StoreEntry } from '../types.ts';
import type { SnapshotGuess } from './cluster-snapshot.ts';
import { parseRecord } from './record-text.ts';
import { type SalvorClusterRecord, salvorClusterSchema } from './records.ts';

export interface ClusterShape {
  readonly storage: ClusterStorage;
  readonly record?: SalvorClusterRecord;
}

export interface StoredClusterShape extends ClusterShape {
  readonly storageRevision: string;
  readonly recordRevision?: string;
}

const keysPerRead = 64;
const indexes = new WeakMap<ConfigStore, ClusterIndex>();

export class ClusterIndex {
  readonly #store: ConfigStore;
  #shapes: ReadonlyMap<string, ClusterShape> = new Map();
  #reading: Promise<void> | null = null;

  constructor(store: ConfigStore) {
    this.#store = store;
  }

  /** The index shared by all who use one store. */
  static of(store: ConfigStore): ClusterIndex {
    const known = indexes.get(store);
    if (known !== undefined) return known;
    const index = new ClusterIndex(store);
    indexes.set(store, index);
    return index;
  }

  /** Clusters that have `address` as an engine, a replacement, a spare or a retired engine. */
  async clustersWith(address: string): Promise<string[]> {
    return this.clustersWhere((_, shape) => addressesOf(shape).has(address));
  }

  /** Looks at what is known, and reads everything anew when nothing known fits. */
  async clustersWhere(fits: (cluster: string, shape: ClusterShape) => boolean): Promise<string[]> {
    const known = this.#matching(fits);
    if (known.length > 0) return known;
    await this.refresh();
    return this.#matching(fits);
  }

  /** What to read besides the cluster itself for a decision about these shards. */
  guess(
    cluster: string,
    shardsOf: (storage: ClusterStorage) => readonly number[],
  ): SnapshotGuess | undefined {
    const shape = this.#shapes.get(cluster);
    if (shape === undefined) return undefined;
    const partner = shape.record?.partner;
    return { shards: shardsOf(shape.storage), ...(partner === undefined ? {} : { partner }) };
  }

  learn(cluster: string, shape: ClusterShape): void {
    this.#shapes = new Map(this.#shapes).set(cluster, shape);
  }

  /** Reads all clusters. Those who ask at the same time share one reading. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    this.#shapes = await readClusterShapes(this.#store);
  }

  #matching(fits: (cluster: string, shape: ClusterShape) => boolean): string[] {
    return [...this.#shapes].filter(([cluster, shape]) => fits(cluster, shape)).map(([cluster]) => cluster);
  }
}

/** Every storage cluster there is, also those that other tools made. A value that cannot be read is left out. */
export async function readClusterShapes(store: ConfigStore): Promise<Map<string, StoredClusterShape>> {
  const clusters = await clusterNames(store);
  const shapes = new Map<string, StoredClusterShape>();
  for (let start = 0; start < clusters.length; start += keysPerRead / 2) {
    const some = clusters.slice(start, start + keysPerRead / 2);
    const { entries } = await store.getMany(
      some.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)]),
    );
    for (const name of some) {
      const storage = entries.get(clusterStorageKey(name));
      const record = entries.get(salvorClusterKey(name));
      const shape = storage == null ? null : readable(name, storage, record ?? undefined);
      if (shape !== null) shapes.set(name, shape);
    }
  }
  return shapes;
}

/** All addresses that a cluster has a claim on, or had: engines, replacements, spares and retired engines. */
function addressesOf({ storage, record }: ClusterShape): Set<string> {
  const engines = storage.servers.flatMap(({ address, replacement }) => [
    address,
    replacement?.address ?? address,
  ]);
  const others = [...(record?.spares ?? []), ...(record?.retired ?? [])];
  return new Set([...engines, ...others.map(({ address }) => address)]);
}

async function clusterNames(store: ConfigStore): Promise<string[]> {
  const afterSalvor = `${SALVOR_PREFIX.slice(0, -1)}0`; // '0' follows '/' in byte order
  const [before, after, own] = await Promise.all([
    store.listKeys({ from: '', to: SALVOR_PREFIX }),
    store.listKeys({ from: afterSalvor, to: null }),
    store.listKeys({ from: SALVOR_CLUSTERS_PREFIX, to: `${SALVOR_CLUSTERS_PREFIX.slice(0, -1)}0` }),
  ]);
  const names = [...before, ...after, ...own].flatMap((key) => {
    const parsed = parseKey(key);
    return parsed?.kind === 'cluster-storage' || parsed?.kind === 'salvor-cluster' ? [parsed.cluster] : [];
  });
  return [...new Set(names)];
}

/** A broken value must not hide the other clusters; whoever acts on this cluster gets the error. */
function readable(
  cluster: string,
  storage: StoreEntry,
  record: StoreEntry | undefined,
): StoredClusterShape | null {
  try {
    const shape = { storage: parseClusterStorage(storage.value), storageRevision: storage.revision };
    if (record === undefined) return shape;
    const parsed = parseRecord(salvorClusterSchema, salvorClusterKey(cluster), record.value);
    return { ...shape, record: parsed, recordRevision: record.revision };
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
