import assert from 'node:assert/strict';
import {
  applyEngineStatus,
  type ConfigStore,
  clusterStorageKey,
  createCluster,
  createVdisk,
  type EngineStatusInput,
  type EngineStatusResult,
  openStore,
  parseClusterStorage,
  type ServerEntry,
} from '@salvor/config-store';
import type { LogFields, Logger } from '@salvor/service-kit';
import { type EtcdHandle, startEtcd, tempDir, until } from '@salvor/testkit';

/** Where no engine listens: these clusters live in etcd only. */
export const address = (of: 'primary' | 'slave' | 'spare', shard: number): string =>
  `127.0.${{ primary: 1, slave: 2, spare: 3 }[of]}.1:${1 + shard}`;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly fields: LogFields;
}

/** A logger that keeps what an operator would see. */
export function keepingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const keep = (level: string) => (fields: LogFields, msg: string) => void lines.push({ level, msg, fields });
  const logger = {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => logger,
  };
  return logger;
}

/** A pair of clusters of two shards, `p1` and `s1`, in a real etcd. */
export class CoordinatedCluster implements AsyncDisposable {
  readonly etcd: EtcdHandle;
  readonly store: ConfigStore;
  readonly log: ReturnType<typeof keepingLogger> = keepingLogger();
  readonly #dir: ReturnType<typeof tempDir>;
  #operations = 0;

  private constructor(etcd: EtcdHandle, dir: ReturnType<typeof tempDir>) {
    this.etcd = etcd;
    this.#dir = dir;
    this.store = openStore({ endpoints: [etcd.endpoint] });
  }

  static async start({ spares = [] as readonly string[] } = {}): Promise<CoordinatedCluster> {
    const dir = tempDir('coordinator');
    const cluster = new CoordinatedCluster(await startEtcd({ dir: dir.path }), dir);
    for (const role of ['primary', 'slave'] as const) {
      const engines = [0, 1].map((shard) => ({ address: address(role, shard), db: 0 }));
      const [own, partner] = role === 'primary' ? ['p1', 's1'] : ['s1', 'p1'];
      const created = await createCluster(
        cluster.store,
        {
          cluster: own,
          role,
          engines,
          spares: role === 'primary' ? spares.map((spare) => ({ address: spare, db: 0 })) : [],
          partner,
        },
        cluster.#operation(),
      );
      assert.equal(created.outcome, 'applied', created.reason);
    }
    return cluster;
  }

  async addVdisks(...vdisks: string[]): Promise<void> {
    for (const vdisk of vdisks) {
      const shape = { vdisk, type: 'db', sizeGiB: 1, blockSize: 4096, readOnly: false };
      const made = await createVdisk(
        this.store,
        { ...shape, cluster: 'p1', slaveCluster: 's1' },
        this.#operation(),
      );
      assert.equal(made.outcome, 'applied', made.reason);
    }
  }

  async apply(input: object): Promise<EngineStatusResult> {
    const { operation } = this.#operation();
    const result = await applyEngineStatus(this.store, {
      operation,
      ...input,
    } as unknown as EngineStatusInput);
    assert.equal(result.outcome, 'applied', result.reason);
    return result;
  }

  fail(engine: string): Promise<EngineStatusResult> {
    const detectedAt = Date.now() + 60_000;
    return this.apply({
      kind: 'failure-reported',
      address: engine,
      reporter: 'nbd-1',
      reason: 'gone',
      detectedAt,
    });
  }

  judge(engine: string, verdict: 'temporary' | 'permanent'): Promise<EngineStatusResult> {
    const more = { reason: 'probed', evidence: [], by: 'test' };
    return this.apply({ kind: 'verdict', operator: true, address: engine, verdict, ...more });
  }

  async serverOf(cluster: string, shard: number): Promise<ServerEntry> {
    const entry = await this.store.get(clusterStorageKey(cluster));
    return parseClusterStorage(entry?.value ?? assert.fail(`no ${cluster}`)).servers[shard] ?? assert.fail();
  }

  async waitForStatus(cluster: string, shard: number, status: string): Promise<void> {
    await until(async () => (await this.serverOf(cluster, shard)).status === status, {
      what: `shard ${shard} of ${cluster} to be ${status}`,
      timeoutMs: 10_000,
    });
  }

  async waitForLine(msg: string): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.lines.find((line) => line.msg === msg);
    await until(() => find() !== undefined, { what: `the log line '${msg}'`, timeoutMs: 10_000 });
    return find() ?? assert.fail();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await this.etcd.process.kill();
    this.#dir.remove();
  }

  #operation(): { operation: string; by: string } {
    return { operation: `test-${++this.#operations}`, by: 'test' };
  }
}
