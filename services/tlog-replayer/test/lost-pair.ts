/** Two clusters of real engines, a bus and etcd: with vdisks whose writes are logged, and pairs that can be destroyed. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Bus, connectBus } from '@salvor/bus';
import {
  applyEngineStatus,
  applyRecovery,
  beginOperation,
  type ConfigStore,
  createCluster,
  createVdisk,
  type OperationRecord,
  OperationWorkers,
  openStore,
  type RecoveryRecord,
  type RecoveryVdisk,
  readOperation,
  tlogConfigKey,
  tlogStateKey,
} from '@salvor/config-store';
import { createLogger } from '@salvor/service-kit';
import {
  type EtcdHandle,
  type NatsHandle,
  type RedisHandle,
  startEtcd,
  startNats,
  startRedis,
  type TempDir,
  tempDir,
  until,
} from '@salvor/testkit';
import { LogWriter, ReplayWindow, type Tier2Store } from '@salvor/tlog';
import { EngineControl, type LogAccess, type MountedVdisk, mountVdisk } from '@salvor/vdisk';
import { Logs } from '../src/logs.ts';
import { replayExecutor } from '../src/recovery/replay-executor.ts';

export const BLOCK = 4096;
const SHARDS = 3;
const access = { timeoutMs: 2_000 };
const log = createLogger({ service: 'lost-pair', level: 'error' });
const settings = {
  ...{ leaseTtlSeconds: 10, connectTimeoutMs: 2_000, commandTimeoutMs: 2_000 },
  ...{ proposeAfterMs: 250, holdMaxMs: 5_000 },
};
const events = {
  engineFailed: () => {},
  repairCompleted: () => {},
  dataUnavailable: () => {},
  dataAvailable: () => {},
  blocksCorrupt: () => {},
  ownershipLost: () => {},
  takeoverAsked: () => {},
};

export class LostPair implements AsyncDisposable {
  readonly store: ConfigStore;
  readonly bus: Bus;
  readonly #dir: TempDir;
  readonly #etcd: EtcdHandle;
  readonly #nats: NatsHandle;
  readonly #engines: Map<string, RedisHandle>;
  readonly #workers: OperationWorkers[] = [];
  tier2: Tier2Store | null = null;

  private constructor(
    dir: TempDir,
    etcd: EtcdHandle,
    nats: NatsHandle,
    bus: Bus,
    engines: Map<string, RedisHandle>,
  ) {
    this.#dir = dir;
    this.#etcd = etcd;
    this.#nats = nats;
    this.#engines = engines;
    this.bus = bus;
    this.store = openStore({ endpoints: [etcd.endpoint] });
  }

  static async start({ spares = 0 } = {}): Promise<LostPair> {
    const dir = tempDir('lost-pair');
    const names = [
      ...['p', 's'].flatMap((side) => Array.from({ length: SHARDS }, (_, shard) => `${side}${shard}`)),
      ...['p', 's'].flatMap((side) => Array.from({ length: spares }, (_, spare) => `spare-${side}${spare}`)),
    ];
    const [etcd, nats, ...redis] = await Promise.all([
      startEtcd({ dir: `${dir.path}/etcd` }),
      startNats({ dir: `${dir.path}/nats` }),
      ...names.map((name) => startRedis({ dir: `${dir.path}/${name}`, name })),
    ]);
    const engines = new Map(names.map((name, index) => [name, redis[index] as RedisHandle]));
    const bus = await connectBus({ servers: [nats.url], name: 'lost-pair', log });
    await bus.applyManifest();
    const pair = new LostPair(dir, etcd, nats, bus, engines);
    for (const [cluster, partner, role, side] of [
      ['p1', 's1', 'primary', 'p'],
      ['s1', 'p1', 'slave', 's'],
    ] as const) {
      const refs = (prefix: string, count: number) =>
        Array.from({ length: count }, (_, at) => ({ address: pair.address(`${prefix}${at}`), db: 0 }));
      const places = refs(side, SHARDS);
      for (const [shard, place] of places.entries())
        await EngineControl.with({ ...place, ...access }, (control) =>
          control.claim({ cluster, role, shard, generation: 1 }, { mustBeEmpty: true }),
        );
      const made = await createCluster(
        pair.store,
        { cluster, role, partner, engines: places, spares: refs(`spare-${side}`, spares) },
        { operation: `create-${cluster}`, by: 'test' },
      );
      assert.equal(made.outcome, 'applied', made.reason);
    }
    return pair;
  }

  address(engine: string): string {
    return this.#engines.get(engine)?.address ?? assert.fail(`no engine ${engine}`);
  }

  async addVdisk(vdisk: string, { logged = true, type = 'db' } = {}): Promise<void> {
    const shape = { vdisk, type, sizeGiB: 1, blockSize: BLOCK, readOnly: false };
    const place = { cluster: 'p1', slaveCluster: 's1' };
    const made = await createVdisk(
      this.store,
      { ...shape, ...place },
      { operation: `create-${vdisk}`, by: 'test' },
    );
    assert.equal(made.outcome, 'applied', made.reason);
    if (!logged) return;
    const config = { container: 0, containers: 4, policy: 'block', enabledBy: 'test', at: 1 };
    const begins = { number: 0, sequence: 0 };
    const state = { status: 'whole', reason: 'nothing was written', since: 1, sequence: 1 };
    await this.store.transact({
      compare: [],
      puts: [
        { key: tlogConfigKey(vdisk), value: JSON.stringify({ ...config, begins }) },
        { key: tlogStateKey(vdisk), value: JSON.stringify(state) },
      ],
    });
  }

  mount(vdisk: string, purpose: 'clients' | 'repair' = 'clients'): Promise<MountedVdisk> {
    const owner = { server: 'test', instance: randomUUID() };
    const streams = this.bus.logStreams;
    const logs: LogAccess = {
      open: ({ blockSizeBytes: blockSize, ...options }) => new LogWriter({ streams, blockSize, ...options }),
      archived: async () => null,
    };
    return mountVdisk({ store: this.store, vdisk, owner, log, settings, events, purpose, logs });
  }

  /** Writes blocks, and flushes; null deletes one. */
  async write(vdisk: string, ...steps: ReadonlyMap<number, Buffer | null>[]): Promise<void> {
    const mounted = await this.mount(vdisk);
    try {
      for (const blocks of steps) {
        for (const [block, data] of blocks) {
          if (data === null) await mounted.device.zero(block * BLOCK, BLOCK);
          else await mounted.device.write(block * BLOCK, data);
        }
        await mounted.device.flush();
      }
    } finally {
      await mounted.unmount();
    }
  }

  async read(vdisk: string, blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const mounted = await this.mount(vdisk);
    try {
      return await mounted.wholeBlocks().read(blocks);
    } finally {
      await mounted.unmount();
    }
  }

  /** One member is away for a while, and is recorded as stale. */
  async fail(engine: string): Promise<void> {
    await (this.#engines.get(engine) ?? assert.fail()).process.kill();
    await this.#report(this.address(engine));
  }

  /** It is back with its data. */
  async comeBack(engine: string): Promise<void> {
    await (this.#engines.get(engine) ?? assert.fail()).process.start();
    await this.judge(engine, 'temporary');
  }

  async judge(engine: string, verdict: 'temporary' | 'permanent'): Promise<void> {
    const address = this.address(engine);
    const { outcome, reason } = await applyEngineStatus(this.store, {
      ...{ kind: 'verdict', verdict, reason: 'somebody looked', evidence: [], by: 'test' },
      ...{ operation: randomUUID(), operator: true, address },
    });
    assert.equal(outcome, 'applied', reason);
  }

  async #report(address: string): Promise<void> {
    await applyEngineStatus(this.store, {
      ...{ kind: 'failure-reported', address, reporter: 'test', reason: 'gone' },
      ...{ operation: randomUUID(), detectedAt: Date.now() + 60_000 },
    });
  }

  /** Both members are killed for good, and judged so. */
  async destroy(shard: number): Promise<void> {
    for (const side of ['p', 's']) {
      await this.fail(`${side}${shard}`);
      await this.judge(`${side}${shard}`, 'permanent');
    }
  }

  async prepare(vdisks: readonly RecoveryVdisk[]): Promise<RecoveryRecord> {
    const input = { kind: 'prepare', vdisks, ordered: false, by: 'test', operation: 'prepare' } as const;
    const { recovery, reason, code } = await applyRecovery(this.store, 'p1', input);
    assert.equal(code, 'prepared', reason);
    return recovery ?? assert.fail();
  }

  /** What carries replays out, as the service does. */
  async startReplayer(): Promise<OperationWorkers> {
    const streams = this.bus.logStreams;
    const workers = new OperationWorkers({
      ...{ store: this.store, log, worker: randomUUID(), retryDelayMs: 100, leaseTtlSeconds: 2 },
      executors: {
        'dr.replay': replayExecutor({
          ...{ store: this.store, access, log, streams, window: new ReplayWindow(), atOnce: 2 },
          logs: new Logs({ store: this.store, streams, tier2: this.tier2, noticed: () => {} }),
          owner: { server: 'tlog-replayer', instance: randomUUID() },
        }),
      },
    });
    await workers.start();
    this.#workers.push(workers);
    return workers;
  }

  async order(operation: string, more: object = {}): Promise<void> {
    const checkpoint = { cluster: 'p1', ...more };
    const begun = await beginOperation(this.store, {
      ...{ operation, kind: 'dr.replay', subject: 'p1', request: checkpoint, message: 'begins', checkpoint },
    });
    assert.equal(begun.outcome, 'applied', begun.reason);
  }

  ended(operation: string): Promise<OperationRecord> {
    return until(
      async () => {
        const record = await readOperation(this.store, operation);
        return record?.work?.endedAt === undefined ? null : record;
      },
      { what: `the end of ${operation}`, timeoutMs: 60_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const workers of this.#workers) await workers.stop();
    this.store.close();
    await this.bus.close({ deadlineMs: 1_000 });
    const processes = [this.#nats, this.#etcd, ...this.#engines.values()].map(({ process }) => process);
    await Promise.all(processes.map((process) => process.kill()));
    this.#dir.remove();
  }
}
