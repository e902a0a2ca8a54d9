import type { LogStreamPort } from '@salvor/bus';
import {
  type ConfigStore,
  ownerKey,
  ownerSchema,
  parseRecord,
  readArchivedPlace,
  readTlog,
  TLOGS_PREFIX,
  type TlogConfig,
} from '@salvor/config-store';
import { containerOf, type TlogDescriptionInit } from '@salvor/contracts';
import { type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';
import type { AskServer } from '../vdisk-description.ts';
import { decideDurability, type StreamStorage, syncIn } from './log-durability.ts';

export interface TlogLogsOptions {
  readonly bus: {
    readonly logStreams: Pick<LogStreamPort, 'last' | 'facts' | 'purge'>;
    serverVersion(): string | undefined;
  };
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly askServer: AskServer;
  readonly containers: number;
  /** `http://host:port` of a nats-server; empty: not asked. */
  readonly monitorUrl: string;
}

const MONITOR_TIMEOUT_MS = 1_000;
const NOWHERE = { number: 0, sequence: 0 } as const;

/** Where the transaction logs are, and what is known of them. */
export class TlogLogs {
  readonly #options: TlogLogsOptions;

  constructor(options: TlogLogsOptions) {
    this.#options = options;
  }

  /**
   * Where the log of a vdisk that has none yet is to be, and where it begins: behind what is there under its name.
   *
   * @throws SalvorError `no-stream` and others of the bus
   */
  async placeOf(vdisk: string): Promise<Pick<TlogConfig, 'container' | 'containers' | 'begins'>> {
    const { bus, containers } = this.#options;
    const container = containerOf(vdisk, containers);
    const last = await bus.logStreams.last(logStream(container), logSubject(container, vdisk));
    const segment = last === null ? null : decodeSegment(last.data);
    const newest = segment === null ? NOWHERE : { number: segment.number, sequence: lastSequence(segment) };
    const archived = (await readArchivedPlace(this.#options.store, vdisk)) ?? NOWHERE;
    const begins = archived.number > newest.number ? archived : newest;
    return { container, containers, begins };
  }

  /**
   * Lets go of what Tier-1 has of a log that nobody writes any more, but for its newest segment: a later log of that name goes on
   * behind it. Never rejects.
   */
  async letGo(vdisk: string, container: number): Promise<void> {
    const { bus, log } = this.#options;
    const [stream, subject] = [logStream(container), logSubject(container, vdisk)];
    try {
      const last = await bus.logStreams.last(stream, subject);
      if (last !== null) await bus.logStreams.purge(stream, subject, last.sequence);
    } catch (error) {
      log.warn({ vdisk, stream, error: messageOf(error) }, 'an old transaction log was left in JetStream');
    }
  }

  /** Of one vdisk, or of all that have a log. */
  async describe(vdisk: string | undefined): Promise<TlogDescriptionInit[]> {
    const vdisks = vdisk === undefined ? await this.#withLog() : [vdisk];
    const sync = await this.#sync();
    const described = await Promise.all(vdisks.map((each) => this.#describe(each, sync)));
    const found = described.filter((each) => each !== null);
    if (vdisk !== undefined && found.length === 0)
      throw new SalvorError(
        'no-log',
        `vdisk ${vdisk} has no transaction log; 'salvor tlog enable' gives it one`,
      );
    return found;
  }

  async #withLog(): Promise<string[]> {
    const { from, to } = { from: TLOGS_PREFIX, to: `${TLOGS_PREFIX.slice(0, -1)}0` };
    const keys = await this.#options.store.listKeys({ from, to });
    return keys.flatMap((key) => {
      const [vdisk, room] = key.slice(TLOGS_PREFIX.length).split('/');
      return room === 'config' && vdisk !== undefined ? [decodeURIComponent(vdisk)] : [];
    });
  }

  async #describe(vdisk: string, sync: StreamStorage['sync']): Promise<TlogDescriptionInit | null> {
    const recorded = await readTlog(this.#options.store, vdisk);
    if (recorded === null) return null;
    const { config, state } = recorded;
    const stream = logStream(config.container);
    const [kept, owned] = await Promise.all([this.#kept(config.container, vdisk), this.#owned(vdisk)]);
    const { replicas } = kept;
    const archived = await readArchivedPlace(this.#options.store, vdisk);
    const problems = [kept.problem, owned.problem].filter((problem) => problem !== undefined);
    const serverVersion = this.#options.bus.serverVersion() ?? null;
    return {
      ...{ vdisk, stream, policy: config.policy, container: config.container, containers: config.containers },
      status: state?.status ?? 'broken',
      reason: state?.reason ?? 'etcd does not say how far it goes',
      since: state?.since ?? config.at,
      ...{
        segments: kept.segments,
        newest: kept.newest,
        streamBytes: kept.bytes,
        streamMaxBytes: kept.maxBytes,
      },
      ...{ replicas, ...decideDurability({ replicas, serverVersion, sync }) },
      ...owned.found,
      ...(archived === null ? {} : { archived: archived.number }),
      ...(problems.length === 0 ? {} : { problem: problems.join('; ') }),
    };
  }

  async #kept(
    container: number,
    vdisk: string,
  ): Promise<{
    segments: number;
    newest: number;
    bytes: number;
    maxBytes: number;
    replicas: number;
    problem?: string;
  }> {
    const { bus } = this.#options;
    const [stream, subject] = [logStream(container), logSubject(container, vdisk)];
    try {
      const [facts, last] = await Promise.all([
        bus.logStreams.facts(stream, subject),
        bus.logStreams.last(stream, subject),
      ]);
      const { bytes, maxBytes, replicas, subjectMessages: segments } = facts;
      const newest = last === null ? 0 : decodeSegment(last.data).number;
      return { segments, newest, bytes, maxBytes, replicas };
    } catch (error) {
      const problem = `stream ${stream}: ${messageOf(error)}`;
      return { segments: 0, newest: 0, bytes: 0, maxBytes: 0, replicas: 0, problem };
    }
  }

  async #owned(
    vdisk: string,
  ): Promise<{ found: Pick<TlogDescriptionInit, 'server' | 'mounted'>; problem?: string }> {
    const { store, askServer } = this.#options;
    const entry = await store.get(ownerKey(vdisk));
    if (entry === null) return { found: {} };
    const { server } = parseRecord(ownerSchema, entry.key, entry.value);
    try {
      const log = (await askServer(server)).find((served) => served.vdisk === vdisk)?.log;
      return { found: log == null ? { server } : { server, mounted: log } };
    } catch (error) {
      return { found: { server }, problem: `server ${server}: ${messageOf(error)}` };
    }
  }

  async #sync(): Promise<StreamStorage['sync']> {
    const { monitorUrl, log } = this.#options;
    if (monitorUrl === '') return null;
    try {
      const answer = await fetch(new URL('/varz', monitorUrl), {
        signal: AbortSignal.timeout(MONITOR_TIMEOUT_MS),
      });
      return syncIn(await answer.json());
    } catch (error) {
      log.info({ monitorUrl, error: messageOf(error) }, 'the monitoring of nats-server does not answer');
      return null;
    }
  }
}
