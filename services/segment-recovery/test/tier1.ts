/** NATS and etcd for tests, and the service on them: in this process, or as one that can be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Bus, connectBus } from '@salvor/bus';
import {
  type ConfigStore,
  type OperationRecord,
  OperationWorkers,
  openStore,
  readOperation,
} from '@salvor/config-store';
import type { CommandShapes, SegmentRecovery } from '@salvor/contracts';
import { createLogger, pause, silentLogger } from '@salvor/service-kit';
import {
  type EtcdHandle,
  type NatsHandle,
  RawNats,
  serviceMain,
  startEtcd,
  startNats,
  tempDir,
} from '@salvor/testkit';
import { AllowedRoots } from '../src/allowed-roots.ts';
import { commandHandlers } from '../src/commands.ts';
import { recoverExecutor } from '../src/recovery/recover-executor.ts';
import { RECOVERY_KIND } from '../src/recovery/recovery-request.ts';
import { verifyExecutor } from '../src/verification/verify-executor.ts';
import { VERIFY_KIND } from '../src/verification/verify-request.ts';

const END_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 50;
const MIB = 1024 * 1024;

export class Tier1 implements AsyncDisposable {
  readonly nats: NatsHandle;
  readonly etcd: EtcdHandle;
  readonly bus: Bus;
  readonly store: ConfigStore;
  readonly dir: ReturnType<typeof tempDir>;
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly #ownsEtcd: boolean;
  #operations = 0;

  private constructor(parts: {
    nats: NatsHandle;
    etcd: EtcdHandle;
    bus: Bus;
    dir: ReturnType<typeof tempDir>;
    ownsEtcd: boolean;
  }) {
    this.#ownsEtcd = parts.ownsEtcd;
    this.nats = parts.nats;
    this.etcd = parts.etcd;
    this.bus = parts.bus;
    this.dir = parts.dir;
    this.store = openStore({ endpoints: [parts.etcd.endpoint] });
  }

  /** @param given an etcd that somebody else started, and ends */
  static async start(given?: EtcdHandle): Promise<Tier1> {
    const dir = tempDir('segments');
    const [nats, etcd] = await Promise.all([
      startNats({ dir: join(dir.path, 'nats') }),
      given ?? startEtcd({ dir: join(dir.path, 'etcd') }),
    ]);
    const bus = await connectBus({ servers: [nats.url], name: 'segments-test', log: silentLogger });
    return new Tier1({ nats, etcd, bus, dir, ownsEtcd: given === undefined });
  }

  /** A stream that is none of Salvor's. */
  async makeStream(name: string, subject: string): Promise<void> {
    const nats = await RawNats.connect(this.nats.url);
    const config = { name, subjects: [subject], storage: 'file', num_replicas: 1 };
    await nats.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config));
    nats.close();
  }

  /** The service in this process. */
  async serve(roots: readonly string[] = ['/']): Promise<void> {
    const { store, bus } = this;
    const log = createLogger({ service: 'segment-recovery', level: 'error' });
    const allowedRoots = new AllowedRoots(roots);
    const options = {
      ...{ store, bus, log, worker: 'in-process', atOnce: 4, treeMemoryMib: 400, leaseTtlSeconds: 2 },
      ...{ streams: { leastBytes: MIB, replicas: 1 }, allowedRoots },
      engines: { timeoutMs: 2_000, login: undefined },
    };
    const workers = new OperationWorkers({
      ...{ store, log, worker: 'in-process', retryDelayMs: 100, leaseTtlSeconds: 2 },
      executors: {
        [RECOVERY_KIND]: recoverExecutor(options),
        [VERIFY_KIND]: verifyExecutor(options),
      },
    });
    await workers.start();
    const service = await bus.serve({
      ...{ name: 'segment-recovery', version: '0.1.0', description: 'in a test' },
      handlers: commandHandlers(store, allowedRoots),
    });
    this.#ends.push(
      () => workers.stop(),
      () => service.stop(),
    );
  }

  /** The service as a process of its own. */
  spawn(env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, [serviceMain('segment-recovery')], {
      stdio: 'ignore',
      env: {
        ...process.env,
        SALVOR_NATS_SERVERS: this.nats.url,
        SALVOR_ETCD_ENDPOINTS: this.etcd.endpoint,
        ...env,
      },
    });
    this.#ends.push(() => kill(child));
    return child;
  }

  async begin(request: Partial<CommandShapes['dr.recover']['init']> & { root: string }): Promise<string> {
    this.#operations += 1;
    const operationId = `recover-${this.#operations}`;
    const options = { operationId, timeoutMs: 30_000 };
    const { operation } = await this.bus.request(
      'dr.recover',
      { layout: 'pravega', ...(request.dryRun === true ? {} : { confirm: 'yes' }), ...request },
      options,
    );
    return operation;
  }

  async end(operation: string): Promise<OperationRecord> {
    const begun = performance.now();
    for (;;) {
      const record = await readOperation(this.store, operation);
      if (record === null) throw new Error(`operation ${operation} is gone`);
      if (record.work?.endedAt !== undefined) return record;
      if (performance.now() - begun > END_TIMEOUT_MS)
        throw new Error(`operation ${operation} does not end: ${record.work?.message}`);
      await pause(LOOK_INTERVAL_MS);
    }
  }

  /** Brings a tree back, and gives what was found; fails when the recovery does. */
  async recover(
    request: Partial<CommandShapes['dr.recover']['init']> & { root: string },
  ): Promise<SegmentRecovery> {
    const operation = await this.begin(request);
    const { work } = await this.end(operation);
    if (work?.status !== 'completed') throw new Error(`${work?.status}: ${work?.message}`);
    const { recovery } = await this.bus.request('dr.report', { operation });
    if (recovery === undefined) throw new Error('a recovery without a report');
    return recovery;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
    await this.bus.close({ deadlineMs: 500 });
    this.store.close();
    await Promise.all([this.nats.process.kill(), this.#ownsEtcd ? this.etcd.process.kill() : null]);
    this.dir.remove();
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
