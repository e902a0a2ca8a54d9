import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type ConfigStore, enableTlog, openStore, operationWorkerKey, ownerKey } from '@salvor/config-store';
import type { OperationDescription, RecoveryDescription } from '@salvor/contracts';
import { codeOf, messageOf } from '@salvor/service-kit';
import { type StackOptions, until } from '@salvor/testkit';
import { decodeSegment, lastSequence, logStream, logSubject } from '../../packages/tlog/src/index.ts';
import { HealingStack } from './healing-stack.ts';

const CONTAINER = 0;
const CONTAINERS = 4;
const ENABLED_TIMEOUT_MS = 120_000;
const READY_TIMEOUT_MS = 60_000;

/** A running stack whose vdisks have transaction logs, and whose pairs can be destroyed. */
export class DisasterStack implements AsyncDisposable {
  readonly healing: HealingStack;
  readonly store: ConfigStore;

  readonly #replayers: readonly string[];

  private constructor(healing: HealingStack, replayers: number) {
    this.healing = healing;
    this.#replayers = Array.from({ length: replayers }, (_, at) =>
      at === 0 ? 'tlog-replayer' : `tlog-replayer-${at + 1}`,
    );
    this.store = openStore({ endpoints: healing.stack.etcdEndpoints });
  }

  static async start({
    replayers = 1,
    bandwidthMib = 0,
    ...options
  }: Omit<Partial<StackOptions>, 'dir'> & {
    replayers?: number;
    /** Of each replayer; 0: as fast as it can. */
    bandwidthMib?: number;
  } = {}): Promise<DisasterStack> {
    // What is written is archived soon.
    const env = { SALVOR_ARCHIVE_MAX_AGE_MS: '1000', SALVOR_REPLAY_BANDWIDTH_MIB: String(bandwidthMib) };
    const services = { 'tlog-replayer': { replicas: replayers, env } };
    return new DisasterStack(
      await HealingStack.start({
        primaries: 3,
        spares: 2,
        readyTimeoutMs: READY_TIMEOUT_MS,
        services,
        ...options,
      }),
      replayers,
    );
  }

  /** Its URI. Everything that is written from the first mount on is logged. */
  async createLogged(vdisk: string): Promise<string> {
    const uri = await this.healing.createVdisk(vdisk);
    const place = { container: CONTAINER, containers: CONTAINERS };
    const enabled = await enableTlog(
      this.store,
      { vdisk, policy: 'block' },
      {
        ...{ operation: `enable-${vdisk}`, by: 'test' },
        place: { ...place, begins: { number: 0, sequence: 0 } },
      },
    );
    if (enabled.outcome !== 'applied') throw new Error(enabled.reason);
    return uri;
  }

  /** Until the log holds all that a disaster could take. A client must be connected. */
  async untilLogged(vdisk: string): Promise<void> {
    await until(
      async () => {
        const state = await this.store.get(`/salvor/tlogs/${vdisk}/state`);
        return state !== null && JSON.parse(state.value).status === 'whole';
      },
      { what: `a whole log of vdisk ${vdisk}`, timeoutMs: ENABLED_TIMEOUT_MS },
    );
  }

  /** Until Tier-2 has the log up to a sequence. */
  async untilArchived(vdisk: string, sequence: number): Promise<void> {
    await until(
      async () => {
        const archived = await this.store.get(`/salvor/tlogs/${vdisk}/archived`);
        return archived !== null && JSON.parse(archived.value).sequence >= sequence;
      },
      { what: `sequence ${sequence} of vdisk ${vdisk} in Tier-2`, timeoutMs: ENABLED_TIMEOUT_MS },
    );
  }

  /** Servers let their vdisks go a while after the last client has left. */
  async untilReleased(vdisk: string): Promise<void> {
    await until(async () => (await this.store.get(ownerKey(vdisk))) === null, {
      ...{ what: `nobody owns vdisk ${vdisk}`, timeoutMs: 60_000 },
    });
  }

  /** Until Tier-2 has all of a log that nobody writes to now. */
  async untilAllArchived(vdisk: string): Promise<void> {
    const { data } =
      (await this.healing.bus.logStreams.last(logStream(CONTAINER), logSubject(CONTAINER, vdisk))) ?? {};
    if (data === undefined) throw new Error(`vdisk ${vdisk} has no log`);
    await this.untilArchived(vdisk, lastSequence(decodeSegment(data)));
  }

  /** Tier-1 has nothing of the log any more. */
  async wipeTier1(vdisk: string): Promise<void> {
    const { logStreams } = this.healing.bus;
    const stream = logStream(CONTAINER);
    const facts = await logStreams.facts(stream);
    await logStreams.purge(stream, logSubject(CONTAINER, vdisk), facts.lastSequence + 1);
  }

  /** Both members are killed, and their data is gone. */
  async destroyPair(shard: number): Promise<void> {
    for (const role of ['primary', 'slave'] as const) {
      const engine = this.healing.stack.engine(role, shard);
      await engine.process.kill('SIGKILL');
      rmSync(engine.dataDir, { recursive: true, force: true });
    }
  }

  /** Somebody has looked at the machines: they are burnt. */
  async judgePermanent(shard: number): Promise<void> {
    for (const role of ['primary', 'slave'] as const) {
      const { address } = this.healing.stack.engine(role, shard);
      await this.healing.untilStatus(address, 'offline', 60_000);
      await this.healing.bus.request('engine.set-verdict', {
        ...{ address, verdict: 'permanent', reason: 'the machine burnt' },
      });
    }
  }

  async recovery(): Promise<RecoveryDescription | null> {
    return (await this.healing.bus.request('dr.status', { cluster: 'p1' })).recovery ?? null;
  }

  /** Until the plan knows what the logs hold. */
  untilPlanned(): Promise<RecoveryDescription> {
    return until(
      async () => {
        const recovery = await this.recovery();
        const isKnown = recovery?.vdisks.every(
          (one) => one.logBlocks !== undefined || one.recoverable === 'nothing',
        );
        return recovery?.status === 'prepared' && recovery.vdisks.length > 0 && isKnown ? recovery : null;
      },
      { what: 'a plan', timeoutMs: 120_000 },
    );
  }

  /** Servers let their vdisks go a while after the last client has left. Gives back the operation. */
  async replay(more: { readonly dryRun?: boolean } = {}): Promise<string> {
    const operationId = randomUUID();
    await until(
      async () => {
        try {
          await this.healing.bus.request('dr.replay', { cluster: 'p1', operationId, ...more });
          return true;
        } catch (error) {
          if (codeOf(error) === 'vdisk-owned') return false;
          throw new Error(`dr.replay: ${codeOf(error)}: ${messageOf(error)}`);
        }
      },
      { what: 'a replay that begins', timeoutMs: 60_000 },
    );
    return operationId;
  }

  async operation(operation: string): Promise<OperationDescription> {
    return (await this.healing.bus.request('operation.get', { operation })).operation;
  }

  /**
   * Kills all tlog-replayers and starts them again: each time as soon as one of them has taken the operation up and has stored
   * where it is. Ends with the operation. Gives back how often that was.
   */
  async killReplayers(
    operation: string,
    kills: number,
    told: (line: string) => void = () => {},
  ): Promise<number> {
    let last = 0;
    for (let hits = 0; hits < kills; hits++) {
      const found = await until(
        async () => {
          const { endedAt, updatedAt = 0 } = await this.operation(operation);
          if (endedAt !== undefined) return 'over';
          const isTaken = (await this.store.get(operationWorkerKey(operation))) !== null;
          if (!isTaken || updatedAt <= last) return null;
          last = updatedAt;
          return 'taken';
        },
        { what: 'a process that carries the operation out', timeoutMs: 60_000, intervalMs: 20 },
      );
      if (found === 'over') return hits;
      for (const name of this.#replayers) await this.healing.stack.service(name).kill('SIGKILL');
      for (const name of this.#replayers) await this.healing.stack.service(name).start();
      const { message } = await this.operation(operation);
      told(`kill ${hits + 1} of ${kills}: ${message}`);
    }
    return kills;
  }

  untilEnded(operation: string, timeoutMs = 240_000): Promise<OperationDescription> {
    return until(
      async () => {
        const found = await this.operation(operation);
        return found.endedAt === undefined ? null : found;
      },
      { what: `the end of ${operation}`, timeoutMs, intervalMs: 100 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await this.healing[Symbol.asyncDispose]();
  }
}
