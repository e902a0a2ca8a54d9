import assert from 'node:assert/strict';
import {
  applyEngineStatus,
  type ConfigStore,
  createCluster,
  createVdisk,
  type EngineStatusInput,
  type EngineStatusResult,
  type OwnerRecord,
  openStore,
  ownerKey,
} from '@salvor/config-store';
import { createMetrics, silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, type RedisHandle, startEtcd, startRedis, tempDir } from '@salvor/testkit';
import { EngineControl, type MountSettings } from '@salvor/vdisk';
import { HealingMeter } from '../src/healing-meter.ts';
import { stderrEvents } from '../src/stderr-events.ts';
import { VdiskExports, type VdiskExportsOptions } from '../src/vdisk-exports.ts';

export const servedSettings: MountSettings = {
  leaseTtlSeconds: 10,
  connectTimeoutMs: 1_000,
  commandTimeoutMs: 1_000,
  proposeAfterMs: 100,
  holdMaxMs: 5_000,
};

/** One run of an NBD server without its sockets: its exports, and what it says. */
export interface Server {
  readonly exports: VdiskExports;
  /** Lines on stderr. */
  readonly lines: string[];
  /** `mounted v1 41`, `released v1 41`, `lost v1`, in order. */
  readonly said: string[];
}

/** A pair of one shard with vdisks of few large blocks, in a real etcd and on real engines. */
export class ServedVdisks implements AsyncDisposable {
  readonly store: ConfigStore;
  readonly etcd: EtcdHandle;
  readonly primary: RedisHandle;
  readonly slave: RedisHandle;
  readonly #dir: ReturnType<typeof tempDir>;
  readonly #servers: Server[] = [];
  #operations = 0;

  private constructor(
    etcd: EtcdHandle,
    primary: RedisHandle,
    slave: RedisHandle,
    dir: ReturnType<typeof tempDir>,
  ) {
    this.etcd = etcd;
    this.primary = primary;
    this.slave = slave;
    this.#dir = dir;
    this.store = openStore({ endpoints: [etcd.endpoint] });
  }

  static async start(): Promise<ServedVdisks> {
    const dir = tempDir('nbd-server');
    const [etcd, primary, slave] = await Promise.all([
      startEtcd({ dir: dir.join('etcd') }),
      startRedis({ dir: dir.join('primary') }),
      startRedis({ dir: dir.join('slave') }),
    ]);
    const served = new ServedVdisks(etcd, primary, slave, dir);
    await served.#create('p1', 'primary', primary, 's1');
    await served.#create('s1', 'slave', slave, 'p1');
    return served;
  }

  async addVdisks(...vdisks: string[]): Promise<void> {
    for (const vdisk of vdisks) {
      const shape = { vdisk, type: 'db', sizeGiB: 1, blockSize: 65_536, readOnly: false };
      const created = await createVdisk(
        this.store,
        { ...shape, cluster: 'p1', slaveCluster: 's1' },
        this.#operation(),
      );
      assert.equal(created.outcome, 'applied', created.reason);
    }
  }

  server(name: string, changes: Partial<VdiskExportsOptions> = {}): Server {
    const lines: string[] = [];
    const said: string[] = [];
    const exports: VdiskExports = new VdiskExports({
      store: this.store,
      owner: { server: name, instance: `run-${++this.#operations}` },
      settings: servedSettings,
      events: stderrEvents({
        server: name,
        write: (line) => void lines.push(line),
        unavailable: () => {},
        available: () => {},
        corrupt: () => {},
        takeoverAsked: () => {},
        repaired: () => {},
        meter: new HealingMeter(createMetrics()),
        lost: (vdisk) => {
          said.push(`lost ${vdisk}`);
          exports.forget(vdisk);
        },
      }),
      log: silentLogger,
      lingerMs: 50,
      onMounted: (vdisk, epoch) => void said.push(`mounted ${vdisk} ${epoch}`),
      onReleased: (vdisk, epoch) => void said.push(`released ${vdisk} ${epoch}`),
      ...changes,
    });
    const server = { exports, lines, said };
    this.#servers.push(server);
    return server;
  }

  async ownerOf(vdisk: string): Promise<string | null> {
    const entry = await this.store.get(ownerKey(vdisk));
    return entry === null ? null : (JSON.parse(entry.value) as OwnerRecord).server;
  }

  async apply(input: object): Promise<EngineStatusResult> {
    const operation = `op-${++this.#operations}`;
    const result = await applyEngineStatus(this.store, {
      operation,
      ...input,
    } as unknown as EngineStatusInput);
    assert.equal(result.outcome, 'applied', result.reason);
    return result;
  }

  reportFailure(address: string): Promise<EngineStatusResult> {
    const detectedAt = Date.now() + 60_000;
    return this.apply({ kind: 'failure-reported', address, reporter: 'test', reason: 'killed', detectedAt });
  }

  judgeTemporary(address: string): Promise<EngineStatusResult> {
    const more = { reason: 'back', evidence: [], by: 'test' };
    return this.apply({ kind: 'verdict', operator: true, address, verdict: 'temporary', ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(({ exports }) => exports.close().catch(() => undefined)));
    this.store.close();
    await Promise.all([this.etcd, this.primary, this.slave].map(({ process }) => process.kill()));
    this.#dir.remove();
  }

  async #create(
    cluster: string,
    role: 'primary' | 'slave',
    { address }: RedisHandle,
    partner: string,
  ): Promise<void> {
    const engine = { address, db: 0 };
    await EngineControl.with({ ...engine, timeoutMs: 2_000 }, (control) =>
      control.claim({ cluster, role, shard: 0, generation: 1 }, { mustBeEmpty: true }),
    );
    const wanted = { cluster, role, engines: [engine], spares: [], partner };
    const created = await createCluster(this.store, wanted, this.#operation());
    assert.equal(created.outcome, 'applied', created.reason);
  }

  #operation(): { operation: string; by: string } {
    return { operation: `op-${++this.#operations}`, by: 'test' };
  }
}
