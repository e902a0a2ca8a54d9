import {
  type ConfigStore,
  collectionKey,
  collectionSchema,
  formatRecord,
  type Lease,
  vdiskLifecycleKey,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import type { MountSettings } from '../mount-options.ts';
import {
  CollectionRefusedError,
  contentUsers,
  type EnginePlace,
  type HealthyCluster,
  readHealthyCluster,
} from './content-clusters.ts';
import { ContentEngine } from './content-engine.ts';
import { HashMarks } from './hash-marks.ts';
import { settleWriters } from './settle-writers.ts';

export interface GarbageCollectionOptions {
  readonly store: ConfigStore;
  /** A primary cluster; its slave is swept with it. */
  readonly cluster: string;
  /** Names this collection; another than all before. */
  readonly collection: string;
  /** Also when there are block maps of vdisks that etcd does not know: what they name is kept, whoever may write them. */
  readonly includeUnknown: boolean;
  /** Under which name vdisks without an owner are taken for a moment. */
  readonly server: string;
  readonly settings: MountSettings;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly report: (progress: CollectionProgress) => Promise<void>;
}

export interface CollectionProgress {
  readonly message: string;
  readonly done?: number;
  readonly total?: number;
}

export interface GarbageCounts {
  /** Deduped vdisks whose block maps were read. */
  readonly vdisks: number;
  /** Contents that nothing named when they were looked at first, over all engines. */
  readonly found: number;
  /** Of these, how many were removed; what was named or stored again meanwhile was kept. */
  readonly freed: number;
}

const LEASE_TTL_SECONDS = 15;
/** Contents removed between two looks at whether to go on. */
const SWEEP_STEP = 1024;
/** A hash for each slot of a sector. */
const HASHES_PER_SECTOR = 128;

/**
 * Removes content that no block map names, from the engines of a cluster and of its slave, while vdisks are served.
 *
 * 1. It reads every block map, and notes on each engine the content there that none names (`salvor:garbage`).
 * 2. Every writer stores its content, whether it is there or not, before the sector that names it; storing takes a note
 *    off again, in the same transaction. So content that is still noted was last stored before it was noted.
 * 3. It asks the owner of every deduped vdisk of the cluster to say when all writes begun by then are in the block map or
 *    have failed for good. A vdisk without an owner it takes for a moment, which fences whoever owned it before. After
 *    that, a write whose content was stored before it was noted can no longer come to name it.
 * 4. It reads every block map once more: what is noted and still not named can only be named by storing it again.
 * 5. It removes that, each with its note, in one script: what was stored again has no note any more and stays.
 *
 * A member that missed notes being taken off, because it was away, has all of them dropped by its repair before content is
 * compared. No engine may have been away from before 3 until after 4; the configuration of the clusters tells.
 *
 * @throws CollectionRefusedError, or EngineError when an engine fails; then what was not removed yet stays
 */
export async function collectGarbage(options: GarbageCollectionOptions): Promise<GarbageCounts> {
  const { store, cluster, collection } = options;
  const lease = await store.grantLease(LEASE_TTL_SECONDS);
  try {
    await publish(options, lease, 'looking');
    return await new GarbageCollection(options, lease).run();
  } finally {
    const key = collectionKey(cluster);
    options.log.info({ cluster, collection }, 'collection of garbage ended');
    // Its keys go with the lease.
    await lease.revoke().catch((error: unknown) => {
      options.log.warn({ key, error: String(error) }, 'the collection key was left to expire');
      lease.release();
    });
  }
}

async function publish(
  { store, cluster, collection }: GarbageCollectionOptions,
  lease: Lease,
  phase: 'looking' | 'settling',
): Promise<void> {
  const key = collectionKey(cluster);
  const held = await store.get(key);
  const isOurs = held !== null && held.lease === lease.id;
  const value = formatRecord(collectionSchema, key, { collection, phase, at: Date.now() });
  const { ok } = await store.transact({
    compare: [{ key, revision: isOurs ? held.revision : 'absent' }],
    puts: [{ key, value, lease: lease.id }],
  });
  if (ok) return;
  throw new CollectionRefusedError(
    'collection-running',
    `another collection of garbage runs on cluster ${cluster}: wait until it has ended`,
  );
}

class GarbageCollection {
  readonly #options: GarbageCollectionOptions;
  readonly #lease: Lease;
  readonly #engines = new Map<string, ContentEngine>();

  constructor(options: GarbageCollectionOptions, lease: Lease) {
    this.#options = options;
    this.#lease = lease;
  }

  async run(): Promise<GarbageCounts> {
    const { store, collection, report } = this.#options;
    try {
      const clusters = await this.#clusters();
      const { primary, swept } = clusters;
      for (const place of swept) await (await this.#engine(place)).begin(collection);

      await report({ message: 'reading block maps' });
      const first = await this.#markNamed(primary);
      let found = 0;
      for (const [i, place] of swept.entries()) {
        await report({ message: `looking for garbage on ${place.address}`, done: i, total: swept.length });
        found += await this.#noteUnnamed(place, first.marks);
      }
      if (found === 0) return { vdisks: first.vdisks, found, freed: 0 };

      await publish(this.#options, this.#lease, 'settling');
      await report({ message: 'waiting for writes under way' });
      await settleWriters({ ...this.#options, vdisks: (await contentUsers(store, primary.cluster)).own });

      await report({ message: 'reading block maps once more' });
      const second = await this.#markNamed(primary);
      await this.#assertUnchanged([...clusters.all, ...first.clusters, ...second.clusters]);
      let freed = 0;
      for (const [i, place] of swept.entries()) {
        await report({ message: `freeing garbage on ${place.address}`, done: i, total: swept.length });
        freed += await this.#sweep(place, second.marks);
      }
      for (const place of swept) await (await this.#engine(place)).end();
      return { vdisks: second.vdisks, found, freed };
    } finally {
      for (const engine of this.#engines.values()) engine.close();
    }
  }

  async #clusters(): Promise<{
    primary: HealthyCluster;
    all: readonly HealthyCluster[];
    swept: readonly EnginePlace[];
  }> {
    const { store, cluster } = this.#options;
    const primary = await readHealthyCluster(store, cluster, 'primary');
    const partner =
      primary.partner === null ? null : await readHealthyCluster(store, primary.partner, 'slave');
    const all = [primary, ...(partner === null ? [] : [partner])];
    return { primary, all, swept: all.flatMap(({ engines }) => engines) };
  }

  /** What every block map names that may name content of the cluster. */
  async #markNamed(
    primary: HealthyCluster,
  ): Promise<{ marks: HashMarks; vdisks: number; clusters: HealthyCluster[] }> {
    const { store, cluster, includeUnknown } = this.#options;
    const users = await contentUsers(store, cluster);
    const maps: { engine: ContentEngine; vdisk: string }[] = [];
    const mapped = new Set<string>();
    for (const place of primary.engines) {
      const engine = await this.#engine(place);
      for (const vdisk of await engine.mappedVdisks()) {
        maps.push({ engine, vdisk });
        mapped.add(vdisk);
      }
    }
    const unknown: string[] = [];
    for (const vdisk of mapped) {
      // One that is being deleted is written by nobody who matters.
      const isKnown = users.own.includes(vdisk) || (await store.get(vdiskLifecycleKey(vdisk))) !== null;
      if (!isKnown) unknown.push(vdisk);
    }
    if (unknown.length > 0 && !includeUnknown) {
      throw new CollectionRefusedError(
        'unknown-vdisks',
        `cluster ${cluster} has block maps of vdisks that etcd does not know: ${unknown.join(', ')}; whoever serves them may be writing. Remove them, or include them once nobody does`,
      );
    }
    const clusters: HealthyCluster[] = [];
    for (const user of users.byTemplate) {
      const known = clusters.find((one) => one.cluster === user.cluster);
      const home = known ?? (await readHealthyCluster(store, user.cluster, 'primary'));
      if (known === undefined) clusters.push(home);
      for (const place of home.engines) maps.push({ engine: await this.#engine(place), vdisk: user.vdisk });
      mapped.add(user.vdisk);
    }
    let sectors = 0;
    for (const { engine, vdisk } of maps) sectors += await engine.sectorCount(vdisk);
    const marks = new HashMarks(sectors * HASHES_PER_SECTOR);
    for (const { engine, vdisk } of maps) {
      for await (const hashes of engine.namedBy(vdisk)) {
        this.#assertWanted();
        for (const hash of hashes) marks.mark(hash);
      }
    }
    return { marks, vdisks: mapped.size, clusters };
  }

  async #noteUnnamed(place: EnginePlace, marks: HashMarks): Promise<number> {
    const engine = await this.#engine(place);
    let found = 0;
    for await (const names of engine.contentNames()) {
      this.#assertWanted();
      found += await engine.note(names.filter((name) => !marks.has(name)));
    }
    return found;
  }

  async #sweep(place: EnginePlace, marks: HashMarks): Promise<number> {
    const engine = await this.#engine(place);
    let freed = 0;
    // Listed before it is worked off: what is taken out of a set while it is scanned may hide others of it.
    const noted: Buffer[] = [];
    for await (const names of engine.noted()) for (const name of names) noted.push(name);
    for (let from = 0; from < noted.length; from += SWEEP_STEP) {
      this.#assertWanted();
      const garbage = noted.slice(from, from + SWEEP_STEP).filter((name) => !marks.has(name));
      freed += await engine.sweep(this.#options.collection, garbage);
    }
    return freed;
  }

  async #assertUnchanged(clusters: readonly HealthyCluster[]): Promise<void> {
    const { store } = this.#options;
    for (const { cluster, revision, engines } of clusters) {
      const now = await readHealthyCluster(store, cluster, engines[0]?.identity.role ?? 'primary');
      if (now.revision === revision) continue;
      throw new CollectionRefusedError(
        'cluster-changed',
        `cluster ${cluster} was changed while its garbage was collected: nothing was removed, try again`,
      );
    }
  }

  #assertWanted(): void {
    if (this.#options.signal.aborted)
      throw new CollectionRefusedError('cancelled', 'the collection of garbage was cancelled');
  }

  async #engine(place: EnginePlace): Promise<ContentEngine> {
    const name = `${place.address}@${place.db}`;
    const known = this.#engines.get(name);
    if (known !== undefined) return known;
    const engine = await ContentEngine.open({ ...place, settings: this.#options.settings });
    this.#engines.set(name, engine);
    return engine;
  }
}
