import {
  type ConfigStore,
  clusterIncidentsPrefix,
  clusterStorageKey,
  collectionKey,
  healingPause,
  healingPauseKeys,
  type IncidentRecord,
  incidentKey,
  incidentSchema,
  ownerKey,
  parseClusterStorage,
  parseRecord,
  repairKey,
  type StoreEntry,
  takeoverKey,
  takeoverSchema,
  tlogConfigKey,
  tlogStateKey,
  vdiskStaticKey,
  type Watch,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import { withoutDoubted } from './doubted-repairs.ts';
import { type ClusterView, memberRecords, type OpenIncident } from './member-records.ts';
import type { MemberRecord } from './pair-context.ts';
import { servedLast } from './repair-due.ts';
import { type Clusters, VdiskRefusedError } from './vdisk-description.ts';
import { decideWholeRecords } from './whole-records.ts';

/** What etcd says of every shard of a vdisk, all of it read from one configuration. */
export interface ShardRecords {
  readonly primary: readonly MemberRecord[];
  readonly slave: readonly MemberRecord[] | null;
  /** Shards that placement skips. */
  readonly rip: readonly boolean[];
}

export interface ViewedVdisk {
  readonly vdisk: string;
  /** The server that looks. */
  readonly server: string;
  readonly clusters: Clusters;
  readonly log: Logger;
}

/** Follows what etcd says of one vdisk: its owner, and the engines and incidents of its clusters. */
export class EtcdView {
  readonly #vdisk: string;
  readonly #server: string;
  readonly #clusters: Clusters;
  readonly #log: Logger;
  readonly #onChange: () => void;
  /** Rings when the doubt of a repair is over: nothing in etcd changes then. */
  #doubtOver: NodeJS.Timeout | null = null;
  #watch: Watch | null = null;
  #completed: ReadonlySet<string> = new Set();
  /** By cluster: the records that are in force, which the next change is held against. */
  readonly #inForce = new Map<string, readonly MemberRecord[]>();
  /** Nobody has asked for the records yet: until then each change is looked at here. */
  #isUnread = true;
  /** Revision of each incident record that could not be read, so that it is told once. */
  readonly #unreadable = new Map<string, string>();

  private constructor({ vdisk, server, clusters, log }: ViewedVdisk, onChange: () => void) {
    this.#vdisk = vdisk;
    this.#server = server;
    this.#clusters = clusters;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** Resolves when everything was read once; `onChange` is called with every change from then on. */
  static async open(store: ConfigStore, about: ViewedVdisk, onChange: () => void): Promise<EtcdView> {
    const view = new EtcdView(about, onChange);
    const clusters = view.#clusterIds();
    const selection = {
      keys: [
        ownerKey(about.vdisk),
        vdiskStaticKey(about.vdisk),
        collectionKey(about.clusters.primary),
        takeoverKey(about.vdisk),
        tlogConfigKey(about.vdisk),
        tlogStateKey(about.vdisk),
        ...new Set(clusters.flatMap(healingPauseKeys)),
        ...clusters.map(clusterStorageKey),
      ],
      prefixes: clusters.map(clusterIncidentsPrefix),
    };
    view.#watch = await store.watch(selection, () => {
      if (view.#watch === null) return;
      view.#noteUnread();
      onChange();
    });
    view.#noteUnread();
    try {
      view.#completed = await view.#readCompleted(store);
      return view;
    } catch (error) {
      view.close();
      throw error;
    }
  }

  close(): void {
    this.#watch?.close();
    if (this.#doubtOver !== null) clearTimeout(this.#doubtOver);
  }

  /** Create revision of the owner key, null when there is no owner. */
  ownerEpoch(): string | null {
    return this.#entries().get(ownerKey(this.#vdisk))?.createRevision ?? null;
  }

  /** Revision of the cluster's configuration as it is followed now, null when there is none. */
  storageRevision(cluster: string): string | null {
    return this.#entries().get(clusterStorageKey(cluster))?.revision ?? null;
  }

  /** The server that wants to take the vdisk over, null when there is none. */
  takeoverBy(): string | null {
    const entry = this.#entries().get(takeoverKey(this.#vdisk));
    if (entry === undefined) return null;
    try {
      return parseRecord(takeoverSchema, entry.key, entry.value).server;
    } catch (error) {
      this.#log.error({ vdisk: this.#vdisk, error: String(error) }, 'ignored a bad takeover record');
      return null;
    }
  }

  /** The static configuration of the vdisk as it is stored, null when there is none. */
  staticText(): string | null {
    return this.#entries().get(vdiskStaticKey(this.#vdisk))?.value ?? null;
  }

  /** The configuration of the vdisk's transaction log as it is stored, null when it has none. */
  tlogText(): string | null {
    return this.#entries().get(tlogConfigKey(this.#vdisk))?.value ?? null;
  }

  /** The state of that log as it is stored. */
  tlogState(): StoreEntry | null {
    return this.#entries().get(tlogStateKey(this.#vdisk)) ?? null;
  }

  /** The collection of garbage on the vdisk's cluster, as it is stored; null when there is none. */
  collection(): StoreEntry | null {
    return this.#entries().get(collectionKey(this.#clusters.primary)) ?? null;
  }

  /** Remembers that the repair of this attempt is on record: etcd is not asked for it again. */
  addCompleted(incident: string, attempt: number): void {
    this.#completed = new Set([...this.#completed, `${incident}/${attempt}`]);
  }

  /**
   * What is in force now. Once it was called it must be called with every change.
   *
   * @throws VdiskRefusedError, ConfigValueError when the configuration of a cluster is gone or cannot be read
   */
  records(): ShardRecords {
    this.#isUnread = false;
    const { primary, slave } = this.#clusters;
    const view = this.#clusterView(primary, 'primary');
    const slaveView = slave === null ? null : this.#clusterView(slave, 'slave');
    const [ours, theirs] = [this.#inForceNow(view), slaveView && this.#inForceNow(slaveView)];
    const who = { server: this.#server, nowMs: Date.now() };
    const first = withoutDoubted(ours, theirs, incidentsOf(view), who);
    const second = slaveView && theirs && withoutDoubted(theirs, ours, incidentsOf(slaveView), who);
    this.#lookAgainAt(first.until, second?.until ?? null);
    return {
      primary: first.records,
      slave: second?.records ?? null,
      rip: view.storage.servers.map(({ status }) => status === 'rip'),
    };
  }

  /**
   * Whether etcd itself, asked now, says of this attempt that the engine was the last of its pair to go. What is watched may
   * have been told in parts; what is read here is of one revision.
   */
  async servedLast(store: ConfigStore, { identity, repair }: MemberRecord): Promise<boolean> {
    const { shard } = identity;
    const clusters = this.#clusterIds();
    const keys = [...clusters.map(clusterStorageKey), ...clusters.map((one) => incidentKey(one, shard))];
    const read = await store.getMany(keys);
    const entries = new Map(
      [...read.entries].flatMap(([key, entry]) => (entry === null ? [] : [[key, entry]])),
    );
    const members = clusters.flatMap((cluster) => {
      const role = cluster === this.#clusters.primary ? 'primary' : 'slave';
      const record = memberRecords(this.#clusterView(cluster, role, entries))[shard];
      return record === undefined ? [] : [{ record }];
    });
    const own = members.find(
      ({ record }) =>
        record.identity.cluster === identity.cluster &&
        record.repair?.incident === repair?.incident &&
        record.repair?.attempt === repair?.attempt,
    );
    return own !== undefined && servedLast(own, members);
  }

  #inForceNow(view: ClusterView): readonly MemberRecord[] {
    const before = this.#inForce.get(view.cluster) ?? null;
    const records = decideWholeRecords(before, memberRecords(view), this.#completed);
    this.#inForce.set(view.cluster, records);
    return records;
  }

  /** What changes while a vdisk is being mounted is a step from what was listed, as later on. */
  #noteUnread(): void {
    if (!this.#isUnread) return;
    const { primary, slave } = this.#clusters;
    try {
      this.#inForceNow(this.#clusterView(primary, 'primary'));
      if (slave !== null) this.#inForceNow(this.#clusterView(slave, 'slave'));
    } catch (error) {
      this.#log.warn({ vdisk: this.#vdisk, error: String(error) }, 'ignored a bad cluster configuration');
    }
  }

  #lookAgainAt(...times: readonly (number | null)[]): void {
    if (this.#doubtOver !== null) clearTimeout(this.#doubtOver);
    this.#doubtOver = null;
    const at = Math.min(...times.filter((time) => time !== null));
    if (!Number.isFinite(at)) return;
    this.#doubtOver = setTimeout(() => this.#onChange(), Math.max(1, at - Date.now() + 1)).unref();
  }

  #clusterIds(): string[] {
    return [this.#clusters.primary, this.#clusters.slave].filter((cluster) => cluster !== null);
  }

  #entries(): ReadonlyMap<string, StoreEntry> {
    return this.#watch?.entries() ?? new Map<string, StoreEntry>();
  }

  #clusterView(cluster: string, role: 'primary' | 'slave', entries = this.#entries()): ClusterView {
    const storage = entries.get(clusterStorageKey(cluster));
    if (storage === undefined)
      throw new VdiskRefusedError('bad-configuration', `there is no storage cluster ${cluster}`);
    return {
      cluster,
      role,
      storage: parseClusterStorage(storage.value),
      incidents: new Map(
        this.#incidents(cluster, entries).map((incident) => [incident.record.shard, incident]),
      ),
      completed: this.#completed,
      ...this.#pauseOf(cluster),
    };
  }

  #pauseOf(cluster: string): Pick<ClusterView, 'paused'> {
    const paused = healingPause(this.#entries(), cluster);
    return paused === undefined ? {} : { paused };
  }

  #incidents(cluster: string, entries = this.#entries()): OpenIncident[] {
    const prefix = clusterIncidentsPrefix(cluster);
    return [...entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .flatMap((entry) => {
        const record = this.#incident(entry);
        const { createRevision, revision } = entry;
        return record === null
          ? []
          : [{ record, openedIn: record.openedIn ?? Number(createRevision), changedIn: Number(revision) }];
      });
  }

  /**
   * Null for a record that cannot be read: that engine then has no repair and vouches for nothing, which is safe, and what
   * etcd says of all the others is followed.
   */
  #incident({ key, value, revision }: StoreEntry): IncidentRecord | null {
    try {
      return parseRecord(incidentSchema, key, value);
    } catch (error) {
      if (this.#unreadable.get(key) !== revision)
        this.#log.error({ vdisk: this.#vdisk, key, error: String(error) }, 'ignored a bad incident record');
      this.#unreadable.set(key, revision);
      return null;
    }
  }

  /** Repairs of this vdisk that earlier owners finished in the outages that are open, in whichever attempt. */
  async #readCompleted(store: ConfigStore): Promise<Set<string>> {
    const completed = new Set<string>();
    const incidents = this.#clusterIds().flatMap((cluster) => this.#incidents(cluster));
    for (const { id, attempt: last } of incidents.map(({ record }) => record)) {
      for (let attempt = 1; attempt <= last; attempt++) {
        const repair = await store.get(repairKey(id, attempt, this.#vdisk));
        if (repair !== null) completed.add(`${id}/${attempt}`);
      }
    }
    return completed;
  }
}

function incidentsOf({ incidents }: ClusterView): Map<number, IncidentRecord> {
  return new Map([...incidents].map(([shard, { record }]) => [shard, record]));
}
