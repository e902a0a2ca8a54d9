import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_LOG_CONTAINERS } from '@salvor/bus';
import {
  type ConfigStore,
  configurationTroubleKey,
  isConfiguration,
  openStore,
  worthKeeping,
} from '@salvor/config-store';
import { containerOf, type DrReportReply } from '@salvor/contracts';
import { codeOf } from '@salvor/service-kit';
import { freePort, ManagedProcess, NbdClient, RawNats, serviceMain, until } from '@salvor/testkit';
import {
  decodeSegment,
  logStream,
  logSubject,
  newestConfiguration,
  openDirectoryStore,
} from '../../packages/tlog/src/index.ts';
import { HealingStack } from './healing-stack.ts';

const BLOCK_BYTES = 4096;
const SOON_MS = 60_000;
const SERVED_TIMEOUT_MS = 120_000;

/** A running stack whose Tier-1 can be destroyed in parts, and a segment-recovery beside it. */
export class Tier1Stack implements AsyncDisposable {
  readonly healing: HealingStack;
  readonly store: ConfigStore;
  readonly tier2: string;
  /** By vdisk and block: the last byte that was flushed there. */
  readonly #written = new Map<string, Map<number, number>>();
  #recovery: ManagedProcess | null = null;
  #operations = 0;

  private constructor(healing: HealingStack) {
    this.healing = healing;
    this.tier2 = join(healing.stack.options.dir, 'tier2');
    this.store = openStore({ endpoints: healing.stack.etcdEndpoints });
  }

  static async start(): Promise<Tier1Stack> {
    const env = { SALVOR_ARCHIVE_MAX_AGE_MS: '500', SALVOR_CONFIGURATION_INTERVAL_MS: '200' };
    const services = { 'tlog-replayer': { env } };
    return new Tier1Stack(await HealingStack.start({ primaries: 2, slaves: 2, spares: 2, services }));
  }

  async serveRecovery(): Promise<void> {
    const { stack } = this.healing;
    const port = await freePort();
    this.#recovery = await ManagedProcess.start({
      name: 'segment-recovery',
      command: process.execPath,
      args: [serviceMain('segment-recovery')],
      env: {
        ...{ PATH: process.env.PATH, SALVOR_HTTP_PORT: String(port), SALVOR_NATS_SERVERS: stack.natsUrl },
        SALVOR_ETCD_ENDPOINTS: stack.etcdEndpoints.join(','),
      },
      logFile: join(stack.options.dir, 'segment-recovery.log'),
      ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
      readyTimeoutMs: SOON_MS,
    });
  }

  get recovery(): ManagedProcess {
    if (this.#recovery === null) throw new Error('segment-recovery was not started');
    return this.#recovery;
  }

  async createLogged(vdisk: string): Promise<void> {
    await this.healing.createVdisk(vdisk);
    await this.healing.bus.request('tlog.enable', { vdisk, policy: 'block' });
  }

  /** Every block of a range gets `value`; flushed. */
  async write(vdisk: string, from: number, blocks: number, value: number): Promise<void> {
    const client = await this.#connected(vdisk);
    const known = this.#written.get(vdisk) ?? new Map<number, number>();
    for (let block = from; block < from + blocks; block++) {
      await client.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, value));
      known.set(block, value);
    }
    await client.flush();
    this.#written.set(vdisk, known);
    await client.disconnect();
  }

  /** Blocks that are not as they were flushed. */
  async wrongBlocks(vdisk: string): Promise<number[]> {
    const client = await this.#connected(vdisk);
    const wrong: number[] = [];
    for (const [block, value] of this.#written.get(vdisk) ?? []) {
      const found = await client.read(block * BLOCK_BYTES, BLOCK_BYTES);
      if (!found.equals(Buffer.alloc(BLOCK_BYTES, value))) wrong.push(block);
    }
    await client.disconnect();
    return wrong;
  }

  async untilLogIs(vdisk: string, status: string): Promise<void> {
    await until(
      async () => {
        const entry = await this.store.get(`/salvor/tlogs/${vdisk}/state`);
        return entry !== null && JSON.parse(entry.value).status === status;
      },
      { what: `a log of vdisk ${vdisk} that is ${status}`, timeoutMs: SERVED_TIMEOUT_MS },
    );
  }

  /** Until a snapshot of the configuration holds all of what etcd has now. */
  async untilKept(): Promise<void> {
    const tier2 = await openDirectoryStore({ root: this.tier2 });
    await until(
      async () => {
        const kept = new Map((await newestConfiguration(tier2))?.entries ?? []);
        const { entries } = await this.store.list('');
        return entries.every(
          ({ key, value }) =>
            !isConfiguration(key, value) || worthKeeping(key, value) === null || kept.get(key) === value,
        );
      },
      { what: 'the configuration in Tier-2', timeoutMs: SOON_MS },
    );
    await tier2.close();
  }

  /** Until it is on record that what etcd has is not kept. */
  async untilNotKept(): Promise<void> {
    await until(async () => (await this.store.get(configurationTroubleKey)) !== null, {
      ...{ what: 'the configuration is not kept', timeoutMs: SOON_MS },
    });
  }

  /** What all of the configuration is, but for what changes by itself. */
  async configuration(): Promise<Map<string, string>> {
    const { entries } = await this.store.list('');
    return new Map(
      entries
        .filter(
          ({ key, value }) =>
            isConfiguration(key, value) && worthKeeping(key, value) !== null && !key.endsWith('/state'),
        )
        .map(({ key, value }) => [key, value]),
    );
  }

  async loseEtcd(): Promise<void> {
    const { etcd, options } = this.healing.stack;
    await etcd.process.kill();
    rmSync(join(options.dir, 'etcd', 'data'), { recursive: true, force: true });
    await etcd.process.start();
  }

  async loseNats(): Promise<void> {
    const { nats, options } = this.healing.stack;
    await nats.process.kill();
    rmSync(join(options.dir, 'nats', 'data'), { recursive: true, force: true });
    await nats.process.start();
  }

  /** Not with the rights that services have: as somebody who deletes it by hand. */
  async loseStream(stream: string): Promise<void> {
    const nats = await RawNats.connect(this.healing.stack.natsUrl);
    await nats.request(`$JS.API.STREAM.DELETE.${stream}`, '');
    nats.close();
  }

  async loseKeys(keys: readonly string[]): Promise<void> {
    await this.store.transact({ compare: [], deletes: keys });
  }

  /** Stream of the log of a vdisk. */
  streamOf(vdisk: string): string {
    return logStream(containerOf(vdisk, DEFAULT_LOG_CONTAINERS));
  }

  /** Until Tier-2 has all of a log that nobody writes to now. */
  async untilArchived(vdisk: string): Promise<void> {
    const container = containerOf(vdisk, DEFAULT_LOG_CONTAINERS);
    await until(
      async () => {
        const last = await this.healing.bus.logStreams.last(
          logStream(container),
          logSubject(container, vdisk),
        );
        const archived = await this.store.get(`/salvor/tlogs/${vdisk}/archived`);
        if (last === null || archived === null) return false;
        return JSON.parse(archived.value).number === decodeSegment(last.data).number;
      },
      { what: `all of vdisk ${vdisk} in Tier-2`, timeoutMs: SOON_MS },
    );
  }

  /** Both members are killed, and their data is gone. */
  async destroyPair(shard: number): Promise<void> {
    for (const role of ['primary', 'slave'] as const) {
      const engine = this.healing.stack.engine(role, shard);
      await engine.process.kill('SIGKILL');
      rmSync(engine.dataDir, { recursive: true, force: true });
    }
  }

  /** Somebody judges them gone for good, and brings their blocks back from the logs. */
  async replayPair(shard: number): Promise<void> {
    const { bus, stack } = this.healing;
    for (const role of ['primary', 'slave'] as const) {
      const { address } = stack.engine(role, shard);
      await bus.request('engine.report-failure', { address, reason: 'it burnt' });
      await this.healing.untilStatus(address, 'offline', SOON_MS);
      await bus.request('engine.set-verdict', { address, verdict: 'permanent', reason: 'it burnt' });
    }
    const cluster = 'p1';
    const recovery = async (status: string): Promise<true | null> =>
      (await bus.request('dr.status', { cluster })).recovery?.status === status ? true : null;
    await until(() => recovery('prepared'), { what: 'a plan', timeoutMs: SERVED_TIMEOUT_MS });
    const operationId = `replay-${shard}`;
    await bus.request('dr.replay', { cluster, operationId, force: true });
    const ended = await until(
      async () => {
        const { operation } = await bus.request('operation.get', { operation: operationId });
        return operation.endedAt === undefined ? null : operation;
      },
      { what: 'the end of the replay', timeoutMs: SERVED_TIMEOUT_MS },
    );
    if (ended.status !== 'completed') throw new Error(`${ended.status}: ${ended.message}`);
  }

  /** As an operator does who reads what the replay says: nothing is served that lost its end before that is accepted. */
  async acceptLostEnd(vdisk: string): Promise<void> {
    const { bus } = this.healing;
    const { recovery } = await bus.request('dr.status', { cluster: 'p1' });
    const found = recovery?.vdisks.find((one) => one.vdisk === vdisk);
    assert.equal(found?.state, 'lost', `${vdisk} is ${found?.state}: ${found?.why}`);
    const blocks = found.lostBlocks ?? 0;
    await bus.request('dr.accept-loss', { vdisk, blocks, reason: 'nobody wrote behind that' });
  }

  /** Begins a recovery, as soon as the service hears; gives its operation. */
  async begin(
    more: { readonly dryRun?: boolean; readonly acceptUnreachable?: boolean } = {},
  ): Promise<string> {
    const operationId = `tier1-${++this.#operations}`;
    const request = {
      root: this.tier2,
      operationId,
      ...(more.dryRun === true ? {} : { confirm: 'yes' }),
      ...more,
    };
    await until(
      async () => {
        try {
          await this.healing.bus.request('dr.recover', request, { timeoutMs: 5_000 });
          return true;
        } catch (error) {
          if (['no-responders', 'request-timeout', 'disconnected'].includes(codeOf(error))) return false;
          throw error;
        }
      },
      { what: 'segment-recovery answers', timeoutMs: SOON_MS },
    );
    return operationId;
  }

  async ended(operation: string): Promise<DrReportReply> {
    return until(
      async () => {
        try {
          const report = await this.healing.bus.request('dr.report', { operation }, { timeoutMs: 5_000 });
          return report.status === 'running' ? null : report;
        } catch (error) {
          if (['no-responders', 'request-timeout'].includes(codeOf(error))) return null;
          throw error;
        }
      },
      { what: `the end of ${operation}`, timeoutMs: SERVED_TIMEOUT_MS, intervalMs: 100 },
    );
  }

  async recover(
    more: { readonly acceptUnreachable?: boolean } = {},
  ): Promise<NonNullable<DrReportReply['tier1']>> {
    const { status, message, tier1 } = await this.ended(await this.begin(more));
    if (status !== 'completed' || tier1 === undefined) throw new Error(`${status}: ${message}`);
    return tier1;
  }

  /** Servers let a vdisk go and take it again after a loss of etcd: a client tries until it is served. */
  async #connected(vdisk: string): Promise<NbdClient> {
    const uri = this.healing.server.unixUri(vdisk);
    return until(
      async () => {
        try {
          const client = await NbdClient.connect(uri);
          await client.read(0, 512);
          return client;
        } catch {
          return null;
        }
      },
      { what: `vdisk ${vdisk} is served`, timeoutMs: SERVED_TIMEOUT_MS, intervalMs: 100 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await this.#recovery?.stop();
    await this.healing[Symbol.asyncDispose]();
  }
}
