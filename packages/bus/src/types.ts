/**
 * The bus in the words of its users.
 *
 *   const bus = await connectBus({ servers: ['127.0.0.1:4222'], name: 'health-analyzer', log });
 *   await bus.publishEvent('vdisk.mounted', { vdisk: 'v1', server: 'nbd-1', epoch: 41, at: Date.now() });
 *   await bus.consume({ durable: 'health-analyzer', types: ['engine.failure-reported'], handler: async (event) => {} });
 *   await bus.serve({ name: 'health-analyzer', version: '0.1.0', description: '…', handlers: { 'engine.probe': probe } });
 *   const { vdisks } = await bus.request('vdisk.list', {});
 *   await bus.close({ deadlineMs: 10_000 });
 *
 * Events are facts, told at least once; commands are questions, answered once. Nothing of the client library shows.
 */
import type { CommandName, CommandShapes, EventInits, EventType } from '@salvor/contracts';
import type { BusStatus } from './connection.ts';
import type { BusEvent } from './event-reader.ts';
import type {
  LogMessage,
  LogPublication,
  LogPublisherLimits,
  LogStreamPort,
  LogWindow,
  ReadLogWindow,
  StreamFacts,
} from './log-port.ts';
import type { SegmentStream } from './manifest.ts';
import type { AppliedItem, ApplyOptions, ManifestDifference } from './manifest-reconciler.ts';
import type { ReadHeaders } from './message-headers.ts';
import type { Stored } from './publish-ack.ts';
import type { ServeOptions } from './service.ts';
import type { DiscoveredService, EndpointInfo, ServiceInfo, ServiceStats } from './service-protocol.ts';

export interface Bus {
  /**
   * Resolves when the stream has stored the event. Sent again under the same id over any outage, so it is stored once
   * (as long as the outage is shorter than the stream's duplicate window, 30 min).
   * @throws BusError `outbox-full`, `publish-deadline`, `publish-refused`, `payload-too-large`, `not-permitted`,
   * `bus-closed`; the contracts' ValidationError or InvalidIdError when the payload is wrong
   */
  publishEvent<T extends EventType>(
    type: T,
    payload: EventInits[T],
    options?: PublishOptions,
  ): Promise<Stored>;

  /**
   * Handles the events of a durable consumer of the manifest. Starts at once, also when the stream is not there yet,
   * and goes on after any outage. A failed event comes again after a backoff, then becomes a dead letter; bytes that
   * cannot be read become one at once. The handler may throw RejectEvent or RetryLater. At least once: it must bear
   * the same event again.
   */
  consume<T extends EventType>(options: ConsumeEvents<T>): Consumption;

  /**
   * Live events for those who watch: nothing is stored or acknowledged, and what passes during an outage is missed. An event
   * that several announce under one id is passed on once.
   */
  watchEvents<T extends EventType>(options: WatchEvents<T>): Watch;

  /** Serves commands as a NATS service. Resolves when the server knows its subjects. @throws BusError `invalid-service` */
  serve(options: ServeOptions): Promise<RunningService>;

  /**
   * Sends a command. Sent again after a disconnect, under the same operation id, until the deadline.
   * @throws CommandError what the service answered; BusError `no-responders`, `request-timeout`, …
   */
  request<C extends CommandName>(
    command: C,
    request: CommandShapes[C]['init'],
    options?: RequestOptions,
  ): Promise<CommandShapes[C]['reply']>;

  /** Every running service instance that answers within `windowMs` (default 300). */
  discover(options?: { name?: string; windowMs?: number }): Promise<DiscoveredService[]>;

  /** Stores bytes nobody can handle, from outside the event stream (a log line, a file). `source` is one or more subject tokens. */
  deadLetter(source: string, data: Uint8Array, reason: string, options?: DeadLetterOptions): Promise<Stored>;

  /** The streams of the transaction log. */
  readonly logStreams: LogStreamPort;

  /** Makes streams, durable consumers and schema bucket as the manifest says. Needs administrator's rights. */
  applyManifest(options?: ApplyOptions): Promise<AppliedItem[]>;
  /** Makes streams of segments, or makes them larger. Needs the right to do so. */
  applySegmentStreams(streams: readonly SegmentStream[], replicas?: number): Promise<AppliedItem[]>;
  /** How the server differs from the manifest; empty when it does not. */
  checkManifest(options?: ApplyOptions): Promise<ManifestDifference[]>;

  /** The published schema with this fingerprint as JSON; undefined when there is none. */
  lookUpSchema(fingerprint: string): Promise<string | undefined>;

  connected(): boolean;
  /** Version of the server last connected to. */
  serverVersion(): string | undefined;
  onStatus(listener: (status: BusStatus) => void): () => void;
  /** For metrics. */
  outboxSize(): { messages: number; bytes: number; sent: number };

  /**
   * Stops consuming, drains services, waits for handlers at work, sends what is unsent, closes the connection. What is
   * not done at the deadline is given back to the stream or rejected; nothing is dropped in silence.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

export interface PublishOptions {
  /** Same id, same event. Default: a new one. Printable ASCII without spaces. */
  id?: string;
  traceparent?: string;
  /** Give up after this long; default: keep trying. */
  timeoutMs?: number;
}

export interface ConsumeEvents<T extends EventType> {
  /** Name of a durable consumer of the manifest. */
  durable: string;
  /** Others are acknowledged unread. */
  types: readonly T[];
  handler: (event: BusEvent<T>, context: { signal: AbortSignal }) => Promise<void>;
  /** Deliveries before a failing event becomes a dead letter; default 5. */
  maxDeliver?: number;
  /** Waits before the second, third … delivery; the last one repeats. Default 250 ms, 1 s, 4 s, 10 s. */
  backoffMs?: readonly number[];
  /** Handlers at work at once; 1 keeps the order of events (but for those that failed). Default 4. */
  concurrency?: number;
  /** A handler that takes longer counts as failed and its signal aborts; default 60 s. */
  handlerTimeoutMs?: number;
}

export interface Consumption {
  inFlight(): number;
  /** Takes no more events and waits for handlers at work; the rest is given back to the stream. */
  stop(deadlineMs?: number): Promise<void>;
}

export interface WatchEvents<T extends EventType> {
  types: readonly T[] | 'all';
  /** Called one event after the other. */
  handler: (event: BusEvent<T>) => Promise<void> | void;
  /** Something may have been missed (a disconnect, a slow handler) or could not be read. */
  onGap?: (reason: string) => void;
}

export interface Watch {
  stop(): Promise<void>;
}

export interface RequestOptions {
  /** Default 5 s. */
  timeoutMs?: number;
  /** Default: a new one. The same id again is the same operation. */
  operationId?: string;
  traceparent?: string;
  /** Ask this instance of the service only. */
  instance?: string;
  signal?: AbortSignal;
}

export interface DeadLetterOptions {
  /** Stable word for counting; default `rejected`. */
  code?: string;
  /** Same id, same dead letter; default: a new one. */
  id?: string;
  headers?: ReadHeaders;
}

export interface RunningService {
  readonly id: string;
  info(): ServiceInfo;
  stats(): ServiceStats;
  inFlight(): number;
  /** @returns false when handlers were still at work at the deadline */
  stop(deadlineMs?: number): Promise<boolean>;
}

export type {
  AppliedItem,
  ApplyOptions,
  BusEvent,
  BusStatus,
  DiscoveredService,
  EndpointInfo,
  LogMessage,
  LogPublication,
  LogPublisherLimits,
  LogStreamPort,
  LogWindow,
  ManifestDifference,
  ReadHeaders,
  ReadLogWindow,
  SegmentStream,
  ServeOptions,
  ServiceInfo,
  ServiceStats,
  Stored,
  StreamFacts,
};
