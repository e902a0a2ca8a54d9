import assert from 'node:assert/strict';
import {
  applyEngineStatus,
  type ConfigStore,
  createCluster,
  type EngineStatusResult,
  type IncidentRecord,
  openStore,
} from '@salvor/config-store';
import { type EtcdHandle, type RedisHandle, startEtcd, startRedis, tempDir } from '@salvor/testkit';
import { EngineControl } from '@salvor/vdisk';

/** A primary cluster `p1` of one real engine in a real etcd. */
export class ProbedCluster implements AsyncDisposable {
  readonly etcd: EtcdHandle;
  readonly engine: RedisHandle;
  readonly store: ConfigStore;
  readonly #dir: ReturnType<typeof tempDir>;

  private constructor(etcd: EtcdHandle, engine: RedisHandle, dir: ReturnType<typeof tempDir>) {
    this.etcd = etcd;
    this.engine = engine;
    this.#dir = dir;
    this.store = openStore({ endpoints: [etcd.endpoint] });
  }

  static async start(): Promise<ProbedCluster> {
    const dir = tempDir('analyzer');
    const [etcd, engine] = await Promise.all([
      startEtcd({ dir: dir.join('etcd') }),
      startRedis({ dir: dir.join('engine') }),
    ]);
    const cluster = new ProbedCluster(etcd, engine, dir);
    const { address } = engine;
    await EngineControl.with({ address, db: 0, timeoutMs: 2_000 }, (control) =>
      control.claim({ cluster: 'p1', role: 'primary', shard: 0, generation: 1 }, { mustBeEmpty: true }),
    );
    const created = await createCluster(
      cluster.store,
      { cluster: 'p1', role: 'primary', engines: [{ address, db: 0 }], spares: [] },
      { operation: 'create-p1', by: 'test' },
    );
    assert.equal(created.outcome, 'applied', created.reason);
    return cluster;
  }

  async reportFailure(operation: string): Promise<IncidentRecord> {
    const { incident, reason } = await applyEngineStatus(this.store, {
      kind: 'failure-reported',
      address: this.engine.address,
      reporter: 'nbd-1',
      reason: 'connection refused',
      detectedAt: Date.now() + 60_000,
      operation,
    });
    return incident ?? assert.fail(reason);
  }

  giveVerdict(
    { id, attempt }: IncidentRecord,
    verdict: 'temporary' | 'permanent',
  ): Promise<EngineStatusResult> {
    return applyEngineStatus(this.store, {
      kind: 'verdict',
      incident: id,
      attempt,
      verdict,
      reason: 'probed',
      evidence: [],
      by: 'health-analyzer',
      operation: `${id}-${attempt}-${verdict}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await Promise.all([this.etcd.process.kill(), this.engine.process.kill()]);
    this.#dir.remove();
  }
}
