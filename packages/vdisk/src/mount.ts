import {
  applyEngineStatus,
  type ClusterStorage,
  type ConfigStore,
  clusterIncidentsPrefix,
  clusterStorageKey,
  incidentSchema,
  type Lease,
  lifecycleHindrance,
  lifecycleIn,
  type MountPurpose,
  ownerKey,
  parseClusterStorage,
  parseRecord,
  parseVdiskNbd,
  parseVdiskStatic,
  putRepairRecord,
  repairKey,
  type StoreEntry,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskSizeBytes,
  vdiskStaticKey,
  type Watch,
} from '@salvor/config-store';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import { errno, VdiskIoError } from './errors.ts';
import { NondedupedLayout } from './layout/nondeduped.ts';
import { type ClusterView, memberRecords, type OpenIncident } from './member-records.ts';
import { LeaseGuard, type OwnerIdentity, takeOwnership } from './ownership.ts';
import { Pair } from './pair.ts';
import type { MemberRecord, PairContext, PairSettings, RepairOutcome } from './pair-context.ts';
import { mountPair } from './pair-mount.ts';
import { placeBlock } from './sharding.ts';
import { type Geometry, Vdisk } from './vdisk.ts';

/** What the data plane tells the world; a server turns these into stderr lines, events and metrics. */
export interface VdiskEvents {
  engineFailed(failure: {
    vdisk: string;
    cluster: string;
    shard: number;
    address: string;
    fault: string;
    reason: string;
  }): void;
  repairCompleted(outcome: RepairOutcome): void;
  dataUnavailable(trouble: { vdisk: string; cluster: string; shard: number; reason: string }): void;
  /** The vdisk must not be served any longer; it is unmounted already. */
  ownershipLost(vdisk: string, reason: string): void;
}

export interface MountSettings extends PairSettings {
  /** Time to live of the owner's lease, in seconds. */
  readonly leaseTtlSeconds: number;
}

export interface MountOptions {
  readonly store: ConfigStore;
  readonly vdisk: string;
  readonly owner: OwnerIdentity;
  readonly settings: MountSettings;
  readonly events: VdiskEvents;
  readonly log: Logger;
  /** Default `clients`: what is still being cloned, or must not change now, is refused. */
  readonly purpose?: MountPurpose;
}

type LifecycleHindrance = NonNullable<ReturnType<typeof lifecycleHindrance>>;

/** The vdisk cannot be served, whoever asks: it does not exist, or its type or configuration does not allow it. */
export class VdiskRefusedError extends SalvorError {
  constructor(
    code: 'unknown-vdisk' | 'unsupported-type' | 'bad-configuration' | LifecycleHindrance['code'],
    message: string,
  ) {
    super(code, message);
  }
}

/**
 * Reads what a vdisk looks like.
 *
 * @throws VdiskRefusedError
 */
export async function describeVdisk(
  store: ConfigStore,
  vdisk: string,
  purpose: MountPurpose = 'clients',
): Promise<Geometry & { clusters: Clusters }> {
  const keys = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)];
  const { entries } = await store.getMany([...keys, vdiskLifecycleKey(vdisk)]);
  const [fixed, nbd] = keys.map((key) => entries.get(key) ?? null);
  const lifecycle = lifecycleIn(entries, vdisk);
  const shape = fixed == null ? null : parseVdiskStatic(fixed.value);
  const hindrance = lifecycleHindrance(vdisk, { lifecycle, readOnly: shape?.readOnly ?? false }, purpose);
  if (hindrance !== null) throw new VdiskRefusedError(hindrance.code, hindrance.reason);
  if (shape === null || !nbd) throw new VdiskRefusedError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (shape.type === 'boot') {
    throw new VdiskRefusedError(
      'unsupported-type',
      `vdisk ${vdisk} is of type boot (deduped): only db, cache and tmp are served`,
    );
  }
  const { storageClusterID: primary, slaveStorageClusterID: slave } = parseVdiskNbd(nbd.value);
  const clusters = { primary, slave: slave === '' ? null : slave };
  const storage = await readStorage(store, primary);
  if (
    clusters.slave !== null &&
    (await readStorage(store, clusters.slave)).servers.length < storage.servers.length
  ) {
    throw new VdiskRefusedError(
      'bad-configuration',
      `vdisk ${vdisk}: slave cluster ${clusters.slave} has fewer servers than ${primary}`,
    );
  }
  return {
    vdisk,
    sizeBytes: vdiskSizeBytes(shape),
    blockSizeBytes: shape.blockSize,
    layout: new NondedupedLayout(vdisk, shape.blockSize),
    readOnly: shape.readOnly,
    shards: storage.servers.length,
    clusters,
  };
}

interface Clusters {
  readonly primary: string;
  readonly slave: string | null;
}

async function readStorage(store: ConfigStore, cluster: string): Promise<ClusterStorage> {
  const entry = await store.get(clusterStorageKey(cluster));
  if (entry === null)
    throw new VdiskRefusedError('bad-configuration', `there is no storage cluster ${cluster}`);
  return parseClusterStorage(entry.value);
}

/**
 * Takes ownership of a vdisk and makes it servable: fences earlier owners on every engine that etcd does not record as
 * stale, and follows etcd from then on.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError, FencedError
 */
export async function mountVdisk(options: MountOptions): Promise<MountedVdisk> {
  await describeVdisk(options.store, options.vdisk, options.purpose);
  const lease = await options.store.grantLease(options.settings.leaseTtlSeconds);
  try {
    const epoch = await takeOwnership(options.store, lease, options.vdisk, options.owner);
    // Again: what is owned cannot be deleted, but until now it could be, or created anew in another shape.
    const geometry = await describeVdisk(options.store, options.vdisk, options.purpose);
    const mounted = new MountedVdisk(options, geometry, geometry.clusters, lease, epoch);
    try {
      await mounted.start();
      return mounted;
    } catch (error) {
      await mounted.unmount();
      throw error;
    }
  } catch (error) {
    await lease.revoke().catch(() => lease.release());
    throw error;
  }
}

/** How long a write of a repair record may fail before it is tried again. */
const RECORD_RETRY_MS = 500;

/** A vdisk that this process owns. */
export class MountedVdisk {
  readonly epoch: string;
  readonly #options: MountOptions;
  #geometry: Geometry;
  readonly #clusters: Clusters;
  readonly #lease: Lease;
  readonly #guard: LeaseGuard;
  #pairs: Pair[] = [];
  #watch: Watch | null = null;
  #device: Vdisk | null = null;
  #ended: string | null = null;
  #completed: ReadonlySet<string> = new Set();
  #rip: readonly boolean[] = [];

  constructor(options: MountOptions, geometry: Geometry, clusters: Clusters, lease: Lease, epoch: string) {
    this.#options = options;
    this.#geometry = geometry;
    this.#clusters = clusters;
    this.#lease = lease;
    this.epoch = epoch;
    this.#guard = new LeaseGuard(lease, geometry.vdisk, options.settings.holdMaxMs);
    lease.onLost((reason) => this.#lose(`the lease is gone: ${reason}`));
  }

  /** As etcd says now: a vdisk may grow while it is mounted. */
  get geometry(): Geometry {
    return this.#geometry;
  }

  /** Byte-addressed access. */
  get device(): Vdisk {
    if (this.#device === null) throw new Error(`vdisk ${this.geometry.vdisk} is not mounted yet`);
    return this.#device;
  }

  /** False once the ownership ended, for whatever reason. */
  get alive(): boolean {
    return this.#ended === null;
  }

  async start(): Promise<void> {
    const { vdisk } = this.geometry;
    const clusters = [this.#clusters.primary, this.#clusters.slave].filter((c) => c !== null);
    const selection = {
      keys: [ownerKey(vdisk), vdiskStaticKey(vdisk), ...clusters.map(clusterStorageKey)],
      prefixes: clusters.map(clusterIncidentsPrefix),
    };
    this.#watch = await this.#options.store.watch(selection, () => this.#follow());
    this.#completed = await this.#readCompleted();
    const { primary, slave } = this.#records();
    this.#pairs = primary.map(
      (record, shard) => new Pair(this.#context(shard), record, slave?.[shard] ?? null),
    );
    this.#device = new Vdisk(this.geometry, this.#pairs, this.#guard, (shard) => this.#rip[shard] === true);
    // What changed before there were pairs was heard by nobody, the loss of the owner key above all.
    this.#follow();
    await Promise.all(
      this.#pairs.filter((pair) => pair.members.some(({ record }) => record.status !== 'rip')).map(mountPair),
    );
    if (this.#ended !== null)
      throw new VdiskIoError('ownership-lost', `vdisk ${vdisk}: ${this.#ended}`, errno.shutdown);
  }

  /** Stops serving and gives the ownership back. */
  async unmount(): Promise<void> {
    this.#end('it was unmounted');
    await this.#lease.revoke().catch((error: unknown) => {
      this.#options.log.warn(
        { vdisk: this.geometry.vdisk, error: String(error) },
        'the owner lease was left to expire',
      );
      this.#lease.release();
    });
  }

  #lose(reason: string): void {
    if (this.#ended !== null) return;
    this.#end(reason);
    this.#lease.release();
    this.#options.events.ownershipLost(this.geometry.vdisk, reason);
  }

  #end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#guard.lose(reason);
    this.#watch?.close();
    const error = new VdiskIoError(
      'ownership-lost',
      `vdisk ${this.geometry.vdisk}: ${reason}`,
      errno.shutdown,
    );
    for (const pair of this.#pairs) pair.close(error);
  }

  /** Takes over what etcd says now. */
  #follow(): void {
    const watch = this.#watch;
    if (watch === null || this.#ended !== null || this.#pairs.length === 0) return;
    const owner = watch.entries().get(ownerKey(this.geometry.vdisk));
    if (owner?.createRevision !== this.epoch) {
      return this.#lose(
        owner === undefined ? 'the owner key is gone' : `another owner has epoch ${owner.createRevision}`,
      );
    }
    this.#followSize(watch.entries().get(vdiskStaticKey(this.geometry.vdisk)));
    try {
      const { primary, slave } = this.#records();
      if (primary.length !== this.#pairs.length)
        throw new Error(`the cluster now lists ${primary.length} servers`);
      for (const [shard, pair] of this.#pairs.entries()) {
        const record = primary[shard];
        if (record !== undefined) pair.applyRecords(record, slave?.[shard] ?? null);
      }
    } catch (error) {
      // As 0-Disk does: a bad value leaves the configuration in force that was there before.
      this.#options.log.error(
        { vdisk: this.geometry.vdisk, error: String(error) },
        'ignored a bad cluster configuration',
      );
    }
  }

  /** Takes a greater size over. A vdisk that is mounted does not shrink: its clients could not know. */
  #followSize(fixed: StoreEntry | undefined): void {
    if (fixed === undefined) return;
    const { vdisk, sizeBytes } = this.#geometry;
    const { log } = this.#options;
    try {
      const next = vdiskSizeBytes(parseVdiskStatic(fixed.value));
      if (next <= sizeBytes) return;
      this.#geometry = { ...this.#geometry, sizeBytes: next };
      this.#device?.grow(this.#geometry);
      log.info({ vdisk, fromBytes: sizeBytes, toBytes: next }, 'vdisk grown');
    } catch (error) {
      log.error({ vdisk, error: String(error) }, 'ignored a bad vdisk configuration');
    }
  }

  #records(): { primary: MemberRecord[]; slave: MemberRecord[] | null } {
    const { primary, slave } = this.#clusters;
    const view = this.#view(primary, 'primary');
    this.#rip = view.storage.servers.map(({ status }) => status === 'rip');
    return {
      primary: memberRecords(view),
      slave: slave === null ? null : memberRecords(this.#view(slave, 'slave')),
    };
  }

  #view(cluster: string, role: 'primary' | 'slave'): ClusterView {
    const entries = this.#watch?.entries() ?? new Map<string, StoreEntry>();
    const storage = entries.get(clusterStorageKey(cluster));
    if (storage === undefined)
      throw new VdiskRefusedError('bad-configuration', `there is no storage cluster ${cluster}`);
    return {
      cluster,
      role,
      storage: parseClusterStorage(storage.value),
      incidents: new Map(
        this.#incidents(entries, cluster).map((incident) => [incident.record.shard, incident]),
      ),
      completed: this.#completed,
    };
  }

  #incidents(entries: ReadonlyMap<string, StoreEntry>, cluster: string): OpenIncident[] {
    const prefix = clusterIncidentsPrefix(cluster);
    return [...entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, value, createRevision, revision }) => ({
        record: parseRecord(incidentSchema, key, value),
        openedIn: Number(createRevision),
        changedIn: Number(revision),
      }));
  }

  /** Repairs of this vdisk that an earlier owner finished: their engines have every write since. */
  async #readCompleted(): Promise<Set<string>> {
    const { store, vdisk } = this.#options;
    const entries = this.#watch?.entries() ?? new Map<string, StoreEntry>();
    const clusters = [this.#clusters.primary, this.#clusters.slave].filter((c) => c !== null);
    const completed = new Set<string>();
    const incidents = clusters.flatMap((cluster) => this.#incidents(entries, cluster));
    for (const { id, attempt } of incidents.map(({ record }) => record)) {
      if ((await store.get(repairKey(id, attempt, vdisk))) !== null) completed.add(`${id}/${attempt}`);
    }
    return completed;
  }

  #context(shard: number): PairContext {
    const { vdisk, shards, layout } = this.geometry;
    const { settings, events } = this.#options;
    const bits = (): number => layout.bitCount(this.#blocks, shards);
    return {
      vdisk,
      epoch: this.epoch,
      shard,
      shards,
      layout,
      get bits() {
        return bits();
      },
      settings,
      blocksOfBit: (bit) => this.#blocksOfBit(bit, shard),
      engineFailed: ({ identity, address }, { fault, message }) => {
        this.#options.log.warn({ vdisk, engine: address, fault, reason: message }, 'storage engine failed');
        events.engineFailed({ vdisk, cluster: identity.cluster, shard, address, fault, reason: message });
      },
      proposeOffline: (record, error) => this.#proposeOffline(record, error.message),
      repairCompleted: (outcome) => void this.#recordRepair(outcome),
      dataUnavailable: (at, reason) => {
        this.#options.log.error({ vdisk, shard: at, reason }, 'data unavailable');
        events.dataUnavailable({ vdisk, cluster: this.#clusters.primary, shard: at, reason });
      },
      fenced: (error) => this.#lose(error.message),
    };
  }

  get #blocks(): number {
    const { sizeBytes, blockSizeBytes } = this.#geometry;
    return Math.floor(sizeBytes / blockSizeBytes);
  }

  #blocksOfBit(bit: number, shard: number): number[] {
    const { shards, layout } = this.geometry;
    const blocks = this.#blocks;
    const isUsable = (s: number): boolean => this.#rip[s] !== true;
    return layout
      .blocksOfBit(bit, shards)
      .filter((block) => block < blocks && placeBlock(layout.placedBy(block), shards, isUsable) === shard);
  }

  async #proposeOffline({ identity, address }: MemberRecord, reason: string): Promise<void> {
    const { store, owner, log } = this.#options;
    const at = Date.now();
    const operation = `${owner.instance}-${identity.cluster}-${identity.shard}-${at.toString(36)}`;
    try {
      const { outcome, reason: why } = await applyEngineStatus(
        store,
        { kind: 'failure-reported', address, reporter: owner.server, reason, operation, detectedAt: at },
        { cluster: identity.cluster },
      );
      log.info({ engine: address, outcome, reason: why }, 'proposed to record an engine as offline');
    } catch (error) {
      log.warn({ engine: address, error: String(error) }, 'could not propose to record an engine as offline');
    }
  }

  /** The record is what counts; the announcement follows it. Tried until it is written or no longer wanted. */
  async #recordRepair(outcome: RepairOutcome): Promise<void> {
    const { store, owner, events, log } = this.#options;
    const { vdisk, incident, attempt, dirtyBlocks, copiedBlocks, storedBlocks } = outcome;
    const record = {
      vdisk,
      incident,
      attempt,
      server: owner.server,
      epoch: this.epoch,
      dirtyBlocks,
      copiedBlocks,
      storedBlocks,
      repairMs: Math.round(outcome.repairMs),
      at: Date.now(),
    };
    while (this.#ended === null) {
      try {
        const { cluster, shard } = outcome;
        const result = await putRepairRecord(store, { cluster, shard, repair: record });
        if (result.outcome === 'refused') {
          log.warn(
            { vdisk, incident, attempt, reason: result.reason },
            'a finished repair is no longer wanted',
          );
          return;
        }
        if (result.outcome !== 'conflict') {
          this.#completed = new Set([...this.#completed, `${incident}/${attempt}`]);
          this.#follow();
          return events.repairCompleted(outcome);
        }
      } catch (error) {
        log.warn(
          { vdisk, incident, error: String(error) },
          'could not record a finished repair, trying again',
        );
      }
      await pause(RECORD_RETRY_MS);
    }
  }
}
