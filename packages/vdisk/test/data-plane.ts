import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  applyEngineStatus,
  type ConfigStore,
  clusterStorageKey,
  createCluster,
  type EngineStatus,
  type EngineStatusInput,
  type EngineStatusResult,
  formatVdiskNbd,
  formatVdiskStatic,
  type MountPurpose,
  openStore,
  ownerKey,
  parseClusterStorage,
  repairKey,
  type VdiskStatic,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { EngineLink, type EtcdHandle, type RedisHandle, startEtcd, startRedis, until } from '@salvor/testkit';
import {
  EngineControl,
  type LogAccess,
  type MountedVdisk,
  type MountSettings,
  mountVdisk,
  type RepairOutcome,
} from '../src/index.ts';

export const mountSettings: MountSettings = {
  leaseTtlSeconds: 10,
  connectTimeoutMs: 1_000,
  commandTimeoutMs: 1_000,
  proposeAfterMs: 100,
  holdMaxMs: 10_000,
};

export const primary = 'p1';
export const slave = 's1';

/** What a mounted vdisk told about itself. */
export interface Mounted {
  readonly vdisk: MountedVdisk;
  readonly failures: { address: string; fault: string }[];
  readonly repairs: RepairOutcome[];
  readonly unavailable: string[];
  readonly lost: string[];
  /** What it logged as errors. */
  readonly complaints: string[];
}

export interface DataPlaneOptions {
  /** Engines of each cluster; default 2. */
  readonly shards?: number;
  /** Default true. */
  readonly hasSlave?: boolean;
  /** Spares of the primary cluster; default 0. */
  readonly spares?: number;
}

export interface VdiskShape {
  readonly blockSize?: number;
  readonly readOnly?: boolean;
  /** Default `db`. */
  readonly type?: VdiskStatic['type'];
}

/** Real engines in a primary and a slave cluster, configured in a real etcd. The test plays coordinator and analyzer. */
export class DataPlane implements AsyncDisposable {
  readonly etcd: EtcdHandle;
  readonly store: ConfigStore;
  readonly primaries: readonly RedisHandle[];
  readonly slaves: readonly RedisHandle[];
  readonly spares: readonly RedisHandle[];
  /** Given to every mount. */
  logs: LogAccess | undefined;
  readonly #dir: string;
  readonly #mounts: MountedVdisk[] = [];
  readonly #stores: ConfigStore[] = [];
  #operations = 0;

  private constructor(
    etcd: EtcdHandle,
    engines: Record<'primaries' | 'slaves' | 'spares', RedisHandle[]>,
    dir: string,
  ) {
    this.etcd = etcd;
    this.primaries = engines.primaries;
    this.slaves = engines.slaves;
    this.spares = engines.spares;
    this.#dir = dir;
    this.store = this.openStore();
  }

  static async start({ shards = 2, hasSlave = true, spares = 0 }: DataPlaneOptions = {}): Promise<DataPlane> {
    // Memory-backed where there is such a place: etcd waits for its disk on every write.
    const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-data-plane-'));
    // An engine that is killed has what it acknowledged: one that syncs each second holds its log back while a sync is under way.
    const engine = (name: string): Promise<RedisHandle> => startRedis({ dir: join(dir, name) });
    const start = (name: string, count: number): Promise<RedisHandle[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => engine(`${name}-${i}`)));
    const [etcd, primaries, slaves, idle] = await Promise.all([
      startEtcd({ dir: join(dir, 'etcd') }),
      start('primary', shards),
      start('slave', hasSlave ? shards : 0),
      start('spare', spares),
    ]);
    const plane = new DataPlane(etcd, { primaries, slaves, spares: idle }, dir);
    await plane.#createCluster(primary, 'primary', primaries, idle);
    if (hasSlave) await plane.#createCluster(slave, 'slave', slaves, []);
    return plane;
  }

  /** By default straight to etcd. */
  openStore(endpoint = this.etcd.endpoint): ConfigStore {
    const store = openStore({ endpoints: [endpoint] });
    this.#stores.push(store);
    return store;
  }

  async addVdisk(
    vdisk: string,
    { blockSize = 4096, readOnly = false, type = 'db' }: VdiskShape = {},
  ): Promise<void> {
    const puts = [
      {
        key: vdiskStaticKey(vdisk),
        value: formatVdiskStatic({ blockSize, size: 1, type, readOnly, templateVdiskID: '' }),
      },
      {
        key: vdiskNbdKey(vdisk),
        value: formatVdiskNbd({
          storageClusterID: primary,
          templateStorageClusterID: '',
          slaveStorageClusterID: this.slaves.length > 0 ? slave : '',
          tlogServerClusterID: '',
        }),
      },
    ];
    await this.store.transact({ compare: [], puts });
  }

  /** Mounts as `server`; every call is another run of that server. */
  async mount(
    vdisk: string,
    server = 'nbd-1',
    settings: Partial<MountSettings> = {},
    purpose: MountPurpose = 'clients',
    store = this.store,
  ): Promise<Mounted> {
    const told = { failures: [], repairs: [], unavailable: [], lost: [], complaints: [] } as Omit<
      Mounted,
      'vdisk'
    >;
    const mounted = await mountVdisk({
      store,
      vdisk,
      owner: { server, instance: `run-${++this.#operations}` },
      settings: { ...mountSettings, ...settings },
      events: {
        engineFailed: ({ address, fault }) => told.failures.push({ address, fault }),
        repairCompleted: (outcome) => told.repairs.push(outcome),
        dataUnavailable: ({ reason }) => told.unavailable.push(reason),
        dataAvailable: () => {},
        blocksCorrupt: () => {},
        takeoverAsked: () => {},
        ownershipLost: (_, reason) => told.lost.push(reason),
      },
      log: { ...silentLogger, error: (_, msg) => told.complaints.push(msg) },
      purpose,
      ...(this.logs === undefined ? {} : { logs: this.logs }),
    });
    this.#mounts.push(mounted);
    return { ...told, vdisk: mounted };
  }

  /** Gives the state machine an input as the coordinator would, under an operation of its own. */
  apply(input: Record<string, unknown>): Promise<EngineStatusResult> {
    return applyEngineStatus(this.store, {
      operation: `op-${++this.#operations}`,
      ...input,
    } as unknown as EngineStatusInput);
  }

  reportFailure(address: string): Promise<EngineStatusResult> {
    return this.apply({
      kind: 'failure-reported',
      address,
      reporter: 'test',
      reason: 'killed by the test',
      detectedAt: Date.now() + 60_000,
    });
  }

  async judge(address: string, verdict: 'temporary' | 'permanent'): Promise<EngineStatusResult> {
    const result = await this.apply({
      kind: 'verdict',
      operator: true,
      address,
      verdict,
      reason: 'the test says so',
      evidence: [],
      by: 'test',
    });
    assert.equal(result.outcome, 'applied', result.reason);
    return result;
  }

  /** Gives an engine up for lost, and has the blocks of its pair spread over the others. */
  async spread(address: string): Promise<EngineStatusResult> {
    if ((await this.statusOf(address)) === 'online') await this.reportFailure(address);
    const { incident } = await this.judge(address, 'permanent');
    const { id, attempt } = incident ?? assert.fail('no incident');
    const begun = await this.apply({
      kind: 'spread',
      incident: id,
      attempt,
      afterMs: 0,
      hindrance: null,
      by: 'test',
    });
    assert.equal(begun.outcome, 'applied', begun.reason);
    return begun;
  }

  /** Waits for the repair records of `vdisks` in etcd, then brings the engine online as the coordinator would. */
  async complete({ incident }: EngineStatusResult, vdisks: readonly string[]): Promise<EngineStatusResult> {
    const { id, attempt } = incident ?? assert.fail('no incident');
    for (const vdisk of vdisks) {
      const key = repairKey(id, attempt, vdisk);
      await until(async () => (await this.store.get(key)) !== null, {
        what: `a record of the repair of ${vdisk}`,
        timeoutMs: 20_000,
      });
    }
    const set = new Set(vdisks);
    return this.apply({
      kind: 'repairs-complete',
      incident: id,
      attempt,
      repaired: set,
      vdisks: set,
      by: 'test',
    });
  }

  async statusOf(address: string): Promise<EngineStatus> {
    for (const cluster of [primary, slave]) {
      const entry = await this.store.get(clusterStorageKey(cluster));
      const found =
        entry && parseClusterStorage(entry.value).servers.find((server) => server.address === address);
      if (found) return found.status;
    }
    return assert.fail(`${address} is in no cluster`);
  }

  async waitForStatus(address: string, status: EngineStatus): Promise<void> {
    await until(async () => (await this.statusOf(address)) === status, {
      what: `${address} to be ${status}`,
      timeoutMs: 15_000,
    });
  }

  async ownerOf(vdisk: string): Promise<string | null> {
    const entry = await this.store.get(ownerKey(vdisk));
    return entry === null ? null : (JSON.parse(entry.value) as { server: string }).server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#mounts.map((mounted) => mounted.unmount().catch(() => undefined)));
    for (const store of this.#stores) store.close();
    const processes = [this.etcd, ...this.primaries, ...this.slaves, ...this.spares].map(
      ({ process }) => process,
    );
    await Promise.all(processes.map((process) => process.kill()));
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #createCluster(
    cluster: string,
    role: 'primary' | 'slave',
    engines: readonly RedisHandle[],
    spares: readonly RedisHandle[],
  ): Promise<void> {
    for (const [shard, { address }] of engines.entries()) {
      await EngineControl.with({ address, db: 0, timeoutMs: 2_000 }, (control) =>
        control.claim({ cluster, role, shard, generation: 1 }, { mustBeEmpty: true }),
      );
    }
    const refs = (handles: readonly RedisHandle[]) => handles.map(({ address }) => ({ address, db: 0 }));
    const created = await createCluster(
      this.store,
      {
        cluster,
        role,
        engines: refs(engines),
        spares: refs(spares),
        ...(this.slaves.length > 0 ? { partner: role === 'primary' ? slave : primary } : {}),
      },
      { operation: `create-${cluster}`, by: 'test' },
    );
    assert.equal(created.outcome, 'applied', created.reason);
  }
}

/** The blocks of a vdisk on an engine, by index. */
export async function blocksOn(engine: RedisHandle, vdisk: string): Promise<Map<number, Buffer>> {
  using link = await EngineLink.open(engine.port);
  const reply = await link.sendRaw('HGETALL', `nondedup:${vdisk}`);
  const blocks = new Map<number, Buffer>();
  const list = Array.isArray(reply) ? reply : [];
  for (let i = 0; i + 1 < list.length; i += 2) {
    const content = list[i + 1];
    if (Buffer.isBuffer(content)) blocks.set(Number(String(list[i])), content);
  }
  return new Map([...blocks].sort(([a], [b]) => a - b));
}
