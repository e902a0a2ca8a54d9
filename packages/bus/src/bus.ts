import { randomUUID } from 'node:crypto';
import {
  type CommandName,
  type CommandShapes,
  type EventInits,
  type EventPayloads,
  type EventType,
  encode,
  eventRecord,
  eventSubject,
  fingerprintOfMessage,
  type RecordInits,
} from '@salvor/contracts';
import { childTraceparent, type Logger, type Metrics } from '@salvor/service-kit';
import { BusError } from './bus-error.ts';
import { type BusMeter, busMeter, unmetered } from './bus-meter.ts';
import type { Person } from './caller.ts';
import { eventHeaders } from './cloud-events.ts';
import { CommandClient } from './command-client.ts';
import type { CommandLimits } from './command-rate.ts';
import { type BusConnectOptions, type BusStatus, type Connection, openConnection } from './connection.ts';
import { DeadLetterOffice } from './dead-letter.ts';
import {
  DEFAULT_BACKOFF_MS,
  DEFAULT_CONCURRENCY,
  DEFAULT_HANDLER_TIMEOUT_MS,
  DEFAULT_MAX_DELIVER,
  EventConsumption,
} from './event-consumption.ts';
import { EventReader } from './event-reader.ts';
import { EventWatch } from './event-watch.ts';
import type { LogPublisherLimits } from './log-port.ts';
import { LogStreams } from './log-streams.ts';
import {
  busManifest,
  EVENT_STREAM,
  manifestWithLog,
  type SegmentStream,
  segmentManifest,
} from './manifest.ts';
import {
  type AppliedItem,
  type ApplyOptions,
  type ManifestDifference,
  ManifestReconciler,
} from './manifest-reconciler.ts';
import { writeHeaders } from './message-headers.ts';
import { DEFAULT_OUTBOX_LIMITS, Outbox, type OutboxLimits } from './outbox.ts';
import type { Stored } from './publish-ack.ts';
import { ReplyInbox } from './reply-inbox.ts';
import { Requester } from './requester.ts';
import { SchemaRegistry } from './schema-registry.ts';
import { type ServeOptions, Service } from './service.ts';
import { discoverServices } from './service-discovery.ts';
import type { DiscoveredService } from './service-protocol.ts';
import { settledWithin } from './settled-within.ts';
import type {
  Bus,
  ConsumeEvents,
  Consumption,
  DeadLetterOptions,
  PublishOptions,
  RequestOptions,
  RunningService,
  Watch,
  WatchEvents,
} from './types.ts';

const DEFAULT_CLOSE_DEADLINE_MS = 10_000;
/** Part of the close deadline that is left for sending what is unsent after the handlers ended. */
const FLUSH_SHARE = 0.3;
const DEFAULT_DISCOVER_WINDOW_MS = 300;
const EVENT_ID = /^[\u0021-\u007e]{1,200}$/;
const DEAD_LETTER_SOURCE = /^[A-Za-z0-9_:-]{1,64}(\.[A-Za-z0-9_:-]{1,64}){0,3}$/;

export interface ConnectBusOptions extends BusConnectOptions {
  outbox?: Partial<OutboxLimits>;
  /** Of every service on this connection: see `ServeOptions.people`. */
  people?: readonly Person[] | null | undefined;
  /** Of every service on this connection: see `ServeOptions.commandLimits`. */
  commandLimits?: CommandLimits | undefined;
  logPublisher?: Partial<LogPublisherLimits>;
  /** Those of the process; given to one of its connections only. */
  metrics?: Metrics;
}

/**
 * Connects and waits for the first server, saying so in the log; later disconnects are survived for ever.
 * @throws BusError `not-authorized`, `connect-timeout`, `connect-aborted`
 */
export async function connectBus(options: ConnectBusOptions): Promise<Bus> {
  const connection = await openConnection(options);
  return new NatsBus(connection, options);
}

interface Stoppable {
  stop(deadlineMs?: number): Promise<unknown>;
}

class NatsBus implements Bus {
  readonly #connection: Connection;
  readonly #name: string;
  readonly #log: Logger;
  readonly #meter: BusMeter;
  readonly #serving: Pick<ServeOptions, 'people' | 'commandLimits'>;
  readonly #inbox: ReplyInbox;
  readonly #outbox: Outbox;
  readonly #deadLetters: DeadLetterOffice;
  readonly #registry: SchemaRegistry;
  readonly #reader: EventReader;
  readonly #commands: CommandClient;
  readonly logStreams: LogStreams;
  readonly #open = new Set<Stoppable>();
  readonly #services = new Set<Service>();
  #closing: Promise<void> | undefined;

  constructor(connection: Connection, options: ConnectBusOptions) {
    this.#connection = connection;
    this.#name = options.name;
    this.#log = options.log;
    this.#serving = { people: options.people, commandLimits: options.commandLimits };
    this.#inbox = new ReplyInbox(connection.nc, connection.inboxPrefix);
    const limits = { ...DEFAULT_OUTBOX_LIMITS, ...options.outbox };
    this.#outbox = new Outbox(connection, this.#inbox, options.log, limits);
    this.#meter =
      options.metrics === undefined
        ? unmetered
        : busMeter(options.metrics, {
            connected: () => connection.connected(),
            outbox: () => this.#outbox.size(),
            inFlight: () => [...this.#services].reduce((sum, service) => sum + service.inFlight(), 0),
          });
    this.#deadLetters = new DeadLetterOffice(this.#outbox, connection, options.log, this.#meter);
    const requester = new Requester(connection, this.#inbox);
    this.logStreams = new LogStreams(connection, this.#inbox, requester, options.logPublisher);
    this.#registry = new SchemaRegistry(requester, options.log);
    this.#reader = new EventReader(this.#registry);
    this.#commands = new CommandClient(requester, this.#registry, this.#meter);
  }

  async publishEvent<T extends EventType>(
    type: T,
    payload: EventInits[T],
    options: PublishOptions = {},
  ): Promise<Stored> {
    const id = options.id ?? randomUUID();
    if (!EVENT_ID.test(id)) {
      throw new BusError(
        'invalid-event-id',
        `expected an event id of 1 to 200 printable ASCII characters without spaces, found ${JSON.stringify(id.slice(0, 100))}`,
      );
    }
    const record = eventRecord(type);
    const data = encode(record, payload as RecordInits[typeof record]);
    const headers = eventHeaders({
      id,
      source: this.#name,
      type,
      atMs: Date.now(),
      fingerprint: fingerprintOfMessage(data) ?? '',
      traceparent: childTraceparent(options.traceparent),
    });
    const stored = await this.#outbox.publish({
      // Encoding has checked the payload, so the field that gives the subject its token is there.
      subject: eventSubject(type, payload as unknown as EventPayloads[T]),
      data,
      headers: writeHeaders(headers),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    });
    this.#meter.published(type);
    return stored;
  }

  consume<T extends EventType>(options: ConsumeEvents<T>): Consumption {
    this.#mustBeOpen('consume');
    const declared = busManifest.consumers.find(({ durable }) => durable === options.durable);
    if (!declared) {
      const known = busManifest.consumers.map(({ durable }) => durable).join(', ');
      throw new BusError(
        'unknown-consumer',
        `expected a durable of the manifest (${known}), found "${options.durable}"`,
      );
    }
    return this.#keep(
      new EventConsumption(
        {
          durable: options.durable,
          stream: EVENT_STREAM,
          types: options.types,
          handler: options.handler,
          maxDeliver: options.maxDeliver ?? DEFAULT_MAX_DELIVER,
          backoffMs: options.backoffMs ?? DEFAULT_BACKOFF_MS,
          concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
          handlerTimeoutMs: options.handlerTimeoutMs ?? DEFAULT_HANDLER_TIMEOUT_MS,
          ackWaitMs: declared.ackWaitMs,
        },
        {
          connection: this.#connection,
          deadLetters: this.#deadLetters,
          reader: this.#reader,
          log: this.#log,
          meter: this.#meter,
        },
      ),
    );
  }

  watchEvents<T extends EventType>(options: WatchEvents<T>): Watch {
    this.#mustBeOpen('watch events');
    return this.#keep(new EventWatch(options, this.#connection, this.#reader, this.#log));
  }

  async serve(options: ServeOptions): Promise<RunningService> {
    this.#mustBeOpen('serve');
    const service = this.#keep(
      new Service(
        this.#connection,
        { ...this.#serving, ...options },
        { log: this.#log, meter: this.#meter, registry: this.#registry },
      ),
    );
    this.#services.add(service);
    await settledWithin(this.#connection.nc.flush(), DEFAULT_CLOSE_DEADLINE_MS);
    return service;
  }

  request<C extends CommandName>(
    command: C,
    request: CommandShapes[C]['init'],
    options?: RequestOptions,
  ): Promise<CommandShapes[C]['reply']> {
    return this.#commands.request(command, request, options);
  }

  discover(options: { name?: string; windowMs?: number } = {}): Promise<DiscoveredService[]> {
    return discoverServices(this.#connection, options.name, options.windowMs ?? DEFAULT_DISCOVER_WINDOW_MS);
  }

  async deadLetter(
    source: string,
    data: Uint8Array,
    reason: string,
    options: DeadLetterOptions = {},
  ): Promise<Stored> {
    if (!DEAD_LETTER_SOURCE.test(source)) {
      throw new BusError(
        'invalid-source',
        `expected a source of 1 to 4 subject tokens of A-Z a-z 0-9 _ : -, found ${JSON.stringify(source.slice(0, 100))}`,
      );
    }
    const { code = 'rejected', id = randomUUID(), headers } = options;
    return this.#deadLetters.send({ source, data, reason, code, id, ...(headers ? { headers } : {}) });
  }

  async applyManifest(options: ApplyOptions = {}): Promise<AppliedItem[]> {
    return new ManifestReconciler(this.#connection.nc, this.#log, manifestWithLog(options), options).apply();
  }

  async applySegmentStreams(streams: readonly SegmentStream[], replicas = 1): Promise<AppliedItem[]> {
    const manifest = segmentManifest(streams);
    return new ManifestReconciler(this.#connection.nc, this.#log, manifest, { replicas }).apply();
  }

  async checkManifest(options: ApplyOptions = {}): Promise<ManifestDifference[]> {
    return new ManifestReconciler(this.#connection.nc, this.#log, manifestWithLog(options), options).check();
  }

  lookUpSchema(fingerprint: string): Promise<string | undefined> {
    return this.#registry.lookUp(fingerprint);
  }

  connected(): boolean {
    return this.#connection.connected();
  }

  serverVersion(): string | undefined {
    return this.#connection.nc.info?.version;
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    return this.#connection.onStatus(listener);
  }

  outboxSize(): { messages: number; bytes: number; sent: number } {
    return this.#outbox.size();
  }

  close(options: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.deadlineMs ?? DEFAULT_CLOSE_DEADLINE_MS);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    const { nc } = this.#connection;
    const flushMs = deadlineMs * FLUSH_SHARE;
    await Promise.all([...this.#open].map((part) => part.stop(deadlineMs - flushMs)));
    await this.#outbox.close(flushMs);
    this.logStreams.close();
    if (this.#connection.connected()) await settledWithin(nc.drain(), flushMs);
    await nc.close();
  }

  #keep<P extends Stoppable>(part: P): P {
    this.#open.add(part);
    return part;
  }

  #mustBeOpen(what: string): void {
    if (this.#closing !== undefined)
      throw new BusError('bus-closed', `cannot ${what}: the bus is closed or closing`);
  }
}
