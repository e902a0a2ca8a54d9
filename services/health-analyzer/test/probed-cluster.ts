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

  readonly #partner: RedisHandle | null;

  private constructor(
    etcd: EtcdHandle,
    engine: RedisHandle,
    partner: RedisHandle | null,
    dir: ReturnType<typeof tempDir>,
  ) {
    this.etcd = etcd;
    this.engine = engine;
    this.#partner = partner;
    this.#dir = dir;
    this.store = openStore({ endpoints: [etcd.endpoint] });
  }

  /** With a partner that serves, a lost engine can be rebuilt. */
  static async start({ hasPartner = false } = {}): Promise<ProbedCluster> {
    const dir = tempDir('analyzer');
    const [etcd, engine, partner] = await Promise.all([
      startEtcd({ dir: dir.join('etcd') }),
      startRedis({ dir: dir.join('engine') }),
      hasPartner ? startRedis({ dir: dir.join('partner') }) : null,
    ]);
    const cluster = new ProbedCluster(etcd, engine, partner, dir);
    await cluster.#create(engine, { cluster: 'p1', role: 'primary' }, hasPartner ? { partner: 's1' } : {});
    if (partner !== null) await cluster.#create(partner, { cluster: 's1', role: 'slave' }, { partner: 'p1' });
    return cluster;
  }

  async #create(
    { address }: RedisHandle,
    of: { readonly cluster: string; readonly role: 'primary' | 'slave' },
    partner: { readonly partner?: string },
  ): Promise<void> {
    await EngineControl.with({ address, db: 0, timeoutMs: 2_000 }, (control) =>
      control.claim({ ...of, shard: 0, generation: 1 }, { mustBeEmpty: true }),
    );
    const created = await createCluster(
      this.store,
      { ...of, ...partner, engines: [{ address, db: 0 }], spares: [] },
      { operation: `create-${of.cluster}`, by: 'test' },
    );
    assert.equal(created.outcome, 'applied', created.reason);
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
    await Promise.all([this.etcd, this.engine, this.#partner].map((server) => server?.process.kill()));
    this.#dir.remove();
  }
}
