import { type CommandDefinition, DecodeError, hasField } from '@salvor/contracts';
import { childTraceparent, inTrace, type Logger, messageOf } from '@salvor/service-kit';
import { type Msg, nuid, type Subscription } from 'nats';
import { BusError } from './bus-error.ts';
import type { BusMeter } from './bus-meter.ts';
import { type Caller, callerOf, creditedTo, type Person } from './caller.ts';
import { CommandError, errorBody, errorHeaders, wireErrorOf } from './command-error.ts';
import { type CommandLimits, CommandRate } from './command-rate.ts';
import { type Encoding, operationIdOf, type ReadRequest, readRequest, writeReply } from './command-wire.ts';
import type { Connection } from './connection.ts';
import { type ReadHeaders, readHeaders, writeHeaders } from './message-headers.ts';
import type { SchemaRegistry } from './schema-registry.ts';
import { type CommandHandlers, type Endpoint, endpointsOf } from './service-endpoint.ts';
import {
  CLOCK_HEADER,
  identityProblem,
  type ServiceIdentity,
  type ServiceInfo,
  type ServiceStats,
} from './service-protocol.ts';
import { settledWithin } from './settled-within.ts';

const RATE_LIMITED = 'rate-limited';
/** Commands refused for their number are in the log at most so often. */
const RATE_LOG_INTERVAL_MS = 1_000;
const DRAIN_DEADLINE_MS = 1_000;
/** Room for the headers of an answer within `max_payload`. */
const HEADER_ALLOWANCE_BYTES = 1_024;
export const DEFAULT_MAX_IN_FLIGHT = 256;
export const DEFAULT_COMMAND_TIMEOUT_MS = 60_000;
/** Tells the caller under which operation its request ran, also when the id was generated. */
const OPERATION_HEADER = 'Salvor-Operation-Id';

export interface ServeOptions {
  /** Name of the service as `nats micro ls` shows it. */
  name: string;
  /** SemVer. */
  version: string;
  description: string;
  handlers: CommandHandlers;
  metadata?: Record<string, string>;
  /** Who gives commands; then those are credited to whom the NATS server says. Null: nobody is told apart. */
  people?: readonly Person[] | null | undefined;
  /** An id of this instance: every command is also served on `<subject>.<instance>`, by this instance only. */
  instance?: string;
  /** More commands than that are answered with `rate-limited`; absent: no limit. */
  commandLimits?: CommandLimits | undefined;
  /** More requests at once are answered with `overloaded`. */
  maxInFlight?: number;
  /** Whether what a handler logs, tells and asks belongs to the trace of the request; default true. Costs every promise of the process some. */
  isTraced?: boolean;
  /** A handler that takes longer is answered for with `handler-timeout`. */
  handlerTimeoutMs?: number;
}

/** The request with who gave it in its `by`, where it has one. */
function credited(definition: CommandDefinition, request: unknown, caller: Caller): unknown {
  if (!hasField(definition.request, 'by')) return request;
  const { by } = request as { by?: unknown };
  return { ...(request as object), by: creditedTo(caller, typeof by === 'string' ? by : undefined) };
}

interface ServiceParts {
  readonly log: Logger;
  readonly meter: BusMeter;
  readonly registry: SchemaRegistry;
}

/** One instance of a NATS service: commands as endpoints, and the `$SRV` answers about them. */
export class Service {
  readonly id: string = nuid.next();
  readonly #connection: Connection;
  readonly #options: ServeOptions;
  readonly #log: Logger;
  readonly #registry: SchemaRegistry;
  readonly #meter: BusMeter;
  readonly #endpoints: Endpoint[];
  readonly #subscriptions: Subscription[];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #abandoned = new AbortController();
  readonly #started = new Date();
  readonly #rate: CommandRate | null;
  #quietUntilMs = 0;

  /** @throws BusError `invalid-service` */
  constructor(connection: Connection, options: ServeOptions, { log, meter, registry }: ServiceParts) {
    this.#registry = registry;
    const problem = identityProblem(options.name, options.version);
    if (problem !== undefined) throw new BusError('invalid-service', problem);
    this.#connection = connection;
    this.#options = options;
    this.#rate = options.commandLimits === undefined ? null : new CommandRate(options.commandLimits);
    this.#log = log;
    this.#meter = meter;
    this.#endpoints = endpointsOf(options.handlers, options.instance);
    for (const { definition } of this.#endpoints) meter.served(definition.name);
    this.#subscriptions = [
      ...this.#endpoints.map((endpoint) => this.#serve(endpoint)),
      ...this.#answerControl('PING', () => ({ type: 'io.nats.micro.v1.ping_response', ...this.#identity() })),
      ...this.#answerControl('INFO', () => this.info()),
      ...this.#answerControl('STATS', () => this.stats()),
    ];
  }

  info(): ServiceInfo {
    return {
      type: 'io.nats.micro.v1.info_response',
      ...this.#identity(),
      description: this.#options.description,
      endpoints: this.#endpoints.map(({ info }) => info),
    };
  }

  stats(): ServiceStats {
    return {
      type: 'io.nats.micro.v1.stats_response',
      ...this.#identity(),
      started: this.#started.toISOString(),
      endpoints: this.#endpoints.map(({ info, counter }) => counter.stats(info)),
    };
  }

  inFlight(): number {
    return this.#inFlight.size;
  }

  /**
   * Takes no more requests and waits for those at work; callers of what is not done by then are told.
   * @returns false when some did not end in time
   */
  async stop(deadlineMs = 5_000): Promise<boolean> {
    const open = this.#connection.nc.isClosed() ? [] : this.#subscriptions.filter((sub) => !sub.isClosed());
    await settledWithin(Promise.allSettled(open.map((sub) => sub.drain())), DRAIN_DEADLINE_MS);
    if (await settledWithin(Promise.allSettled([...this.#inFlight]), deadlineMs)) return true;
    this.#abandoned.abort();
    await Promise.allSettled([...this.#inFlight]);
    return false;
  }

  #identity(): ServiceIdentity {
    const { name, version, metadata } = this.#options;
    return { name, id: this.id, version, metadata: metadata ?? {} };
  }

  /** No queue group: every instance answers. */
  #answerControl(verb: string, answer: () => object): Subscription[] {
    const { name } = this.#options;
    const subjects = [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${this.id}`];
    return subjects.map((subject) =>
      this.#connection.nc.subscribe(subject, {
        callback: (error, message) => {
          if (error) this.#log.error({ err: error, subject }, 'service subject refused by nats');
          else this.#respond(message, JSON.stringify(answer()), { [CLOCK_HEADER]: String(Date.now()) });
        },
      }),
    );
  }

  #serve(endpoint: Endpoint): Subscription {
    const { subject, queue_group: queue } = endpoint.info;
    return this.#connection.nc.subscribe(subject, {
      queue,
      // Runs in the read loop of the connection: must not throw.
      callback: (error, message) => {
        if (error) {
          this.#log.error({ err: error, subject }, 'command subject refused by nats');
          return;
        }
        endpoint.counter.received();
        const work = this.#answer(endpoint, message);
        this.#inFlight.add(work);
        void work.finally(() => this.#inFlight.delete(work));
      },
    });
  }

  async #answer(endpoint: Endpoint, message: Msg): Promise<void> {
    const { counter, definition } = endpoint;
    const startedAt = process.hrtime.bigint();
    let operationId: string | undefined;
    let outcome = 'ok';
    let caller: Caller | null = null;
    try {
      const headers = this.#admit(message);
      caller = this.#callerOf(message);
      this.#limit(caller, message);
      const { request: asked, replyEncoding } = await this.#read(definition, message.data, headers);
      const request = caller === null ? asked : credited(definition, asked, caller);
      operationId = operationIdOf(request, headers);
      const reply = await this.#handle(endpoint, request, operationId, headers, message.subject);
      this.#reply(message, definition, reply, replyEncoding, operationId);
      if (caller !== null && definition.mutating)
        this.#log.info(
          { command: definition.name, operation: operationId, caller: caller.name },
          'command answered',
        );
    } catch (error) {
      const wire = wireErrorOf(error);
      counter.failed(wire.status, wire.message);
      const level = wire.status >= 500 ? 'error' : 'info';
      const { code, status } = wire;
      outcome = code;
      // A flood of commands is no flood of lines.
      if (code !== RATE_LIMITED || performance.now() >= this.#quietUntilMs) {
        if (code === RATE_LIMITED) this.#quietUntilMs = performance.now() + RATE_LOG_INTERVAL_MS;
        this.#log[level](
          {
            err: error,
            command: definition.name,
            operation: operationId,
            caller: caller?.name,
            code,
            status,
          },
          'command refused',
        );
      }
      this.#respond(message, errorBody(wire), {
        ...errorHeaders(wire),
        [OPERATION_HEADER]: operationId,
      });
    } finally {
      const nanos = process.hrtime.bigint() - startedAt;
      counter.took(nanos);
      this.#meter.answered(definition.name, outcome, Number(nanos) / 1e9);
    }
  }

  /** Null where nobody is told apart. */
  #callerOf(message: Msg): Caller | null {
    const { people } = this.#options;
    if (people === null || people === undefined) return null;
    try {
      return callerOf(message.headers, people);
    } catch (error) {
      throw new CommandError(
        'malformed-headers',
        `who gave the command cannot be read: ${messageOf(error)}`,
        {
          status: 400,
        },
      );
    }
  }

  #limit(caller: Caller | null, { reply = '' }: Msg): void {
    // Who is not known by name is known by its inbox, which is one for each connection.
    const name = caller === null || caller.role === null ? reply.split('.', 2).join('.') : caller.name;
    const refused = this.#rate?.take(name, performance.now()) ?? null;
    if (refused === null) return;
    const { of, limit, retryAfterMs } = refused;
    const who = of === 'service' ? 'all callers together' : caller === null ? 'this caller' : caller.name;
    throw new CommandError(
      RATE_LIMITED,
      `${who} gave more than ${limit} commands a second; try again in ${retryAfterMs} ms`,
      { status: 429 },
    );
  }

  #admit(message: Msg): ReadHeaders {
    const limit = this.#options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
    if (this.#inFlight.size >= limit) {
      throw new CommandError('overloaded', `${limit} requests are at work already; try again`, {
        status: 503,
      });
    }
    const headers = readHeaders(message);
    if (headers) return headers;
    // Going on without them could lose an operation id, and do twice what was asked once.
    throw new CommandError(
      'malformed-headers',
      'the header block cannot be read: names must be ASCII without spaces',
      { status: 400 },
    );
  }

  /** A request of another version is read by the schema that its writer published. */
  async #read(definition: CommandDefinition, data: Uint8Array, headers: ReadHeaders): Promise<ReadRequest> {
    try {
      return readRequest(definition, data, headers);
    } catch (error) {
      const cause = error instanceof CommandError ? error.cause : undefined;
      const unknown =
        cause instanceof DecodeError && cause.code === 'unknown-schema' ? cause.fingerprint : undefined;
      if (unknown === undefined || !(await this.#learn(unknown))) throw error;
      return readRequest(definition, data, headers);
    }
  }

  async #learn(fingerprint: string): Promise<boolean> {
    try {
      return await this.#registry.learn(fingerprint);
    } catch (error) {
      throw new CommandError(
        'registry-unavailable',
        `the request is of another version, and its schema ${fingerprint} cannot be looked up: ${messageOf(error)}; try again, or send JSON`,
        { status: 503, cause: error },
      );
    }
  }

  async #handle(
    endpoint: Endpoint,
    request: unknown,
    operationId: string,
    headers: ReadHeaders,
    subject: string,
  ): Promise<unknown> {
    const timeoutMs = this.#options.handlerTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    const ended = new AbortController();
    const { name } = endpoint.definition;
    const traceparent = childTraceparent(headers.get('traceparent'));
    const context = { command: name, operationId, traceparent, subject, signal: ended.signal };
    const work = this.#traced(traceparent, () => endpoint.handler(request, context));
    if (await settledWithin(work, timeoutMs, this.#abandoned.signal)) return work;
    ended.abort();
    const why = this.#abandoned.signal.aborted ? 'before the service stopped' : `within ${timeoutMs} ms`;
    throw new CommandError(
      this.#abandoned.signal.aborted ? 'service-closing' : 'handler-timeout',
      `${name} did not end ${why} and may still take effect; ask again with the same operation id`,
    );
  }

  #traced<T>(traceparent: string, work: () => T): T {
    return this.#options.isTraced === false ? work() : inTrace(traceparent, work);
  }

  #reply(
    message: Msg,
    definition: CommandDefinition,
    reply: unknown,
    encoding: Encoding,
    operationId: string,
  ): void {
    const { data, contentType } = writeReply(definition.reply, reply, encoding);
    const room = this.#connection.maxPayloadBytes() - HEADER_ALLOWANCE_BYTES;
    if (Buffer.byteLength(data) > room) {
      throw new CommandError(
        'reply-too-large',
        `${definition.name}: the answer of ${Buffer.byteLength(data)} bytes is more than the ${room} bytes nats takes; ask for less`,
        { status: 500 },
      );
    }
    this.#respond(message, data, { 'Content-Type': contentType, [OPERATION_HEADER]: operationId });
  }

  /** A request without a reply subject is carried out all the same; there is nobody to answer. */
  #respond(message: Msg, data: Uint8Array | string, headers: Record<string, string | undefined>): void {
    if (!message.reply) return;
    try {
      this.#connection.nc.publish(message.reply, data, { headers: writeHeaders(headers) });
    } catch (error) {
      this.#log.error({ err: error, subject: message.subject }, 'answer could not be sent');
    }
  }
}
