import {
  type CommandDefinition,
  type CommandName,
  type CommandShapes,
  commandSubject,
  commands,
} from '@salvor/contracts';
import { childTraceparent, type Logger } from '@salvor/service-kit';
import { type Msg, nuid, type Subscription } from 'nats';
import { BusError } from './bus-error.ts';
import { CommandError, errorBody, errorHeaders, wireErrorOf } from './command-error.ts';
import { type Encoding, operationIdOf, readRequest, writeReply } from './command-wire.ts';
import type { Connection } from './connection.ts';
import { type ReadHeaders, readHeaders, writeHeaders } from './message-headers.ts';
import {
  EndpointCounter,
  type EndpointInfo,
  identityProblem,
  type ServiceIdentity,
  type ServiceInfo,
  type ServiceStats,
} from './service-protocol.ts';
import { settledWithin } from './settled-within.ts';

const QUEUE_GROUP = 'q';
const DRAIN_DEADLINE_MS = 1_000;
export const DEFAULT_MAX_IN_FLIGHT = 256;
export const DEFAULT_COMMAND_TIMEOUT_MS = 60_000;
/** Tells the caller under which operation its request ran, also when the id was generated. */
const OPERATION_HEADER = 'Salvor-Operation-Id';

export interface CommandContext {
  readonly command: CommandName;
  /** The request's operationId, else the `Nats-Msg-Id` header, else generated. The key for answering once. */
  readonly operationId: string;
  /** Of this call: a child of the caller's, or a new one. */
  readonly traceparent: string;
  readonly subject: string;
  /** Aborts when the caller has been told that it took too long. */
  readonly signal: AbortSignal;
}

export type CommandHandlers = {
  readonly [C in CommandName]?: (
    request: CommandShapes[C]['request'],
    context: CommandContext,
  ) => Promise<CommandShapes[C]['replyInit']>;
};

export interface ServeOptions {
  /** Name of the service as `nats micro ls` shows it. */
  name: string;
  /** SemVer. */
  version: string;
  description: string;
  handlers: CommandHandlers;
  metadata?: Record<string, string>;
  /** An id of this instance: every command is also served on `<subject>.<instance>`, by this instance only. */
  instance?: string;
  /** More requests at once are answered with `overloaded`. */
  maxInFlight?: number;
  /** A handler that takes longer is answered for with `handler-timeout`. */
  handlerTimeoutMs?: number;
}

interface Endpoint {
  readonly info: EndpointInfo;
  readonly definition: CommandDefinition;
  readonly handler: (request: unknown, context: CommandContext) => Promise<unknown>;
  readonly counter: EndpointCounter;
}

/** One instance of a NATS service: commands as endpoints, and the `$SRV` answers about them. */
export class Service {
  readonly id: string = nuid.next();
  readonly #connection: Connection;
  readonly #options: ServeOptions;
  readonly #log: Logger;
  readonly #endpoints: Endpoint[];
  readonly #subscriptions: Subscription[];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #started = new Date();

  /** @throws BusError `invalid-service` */
  constructor(connection: Connection, options: ServeOptions, log: Logger) {
    const problem = identityProblem(options.name, options.version);
    if (problem !== undefined) throw new BusError('invalid-service', problem);
    this.#connection = connection;
    this.#options = options;
    this.#log = log;
    this.#endpoints = endpointsOf(options);
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

  /** Takes no more requests and waits for those at work. @returns false when some did not end in time */
  async stop(deadlineMs = 5_000): Promise<boolean> {
    const open = this.#connection.nc.isClosed() ? [] : this.#subscriptions.filter((sub) => !sub.isClosed());
    await settledWithin(Promise.allSettled(open.map((sub) => sub.drain())), DRAIN_DEADLINE_MS);
    return settledWithin(Promise.allSettled([...this.#inFlight]), deadlineMs);
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
          else this.#respond(message, JSON.stringify(answer()), {});
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
    try {
      const headers = this.#admit(message);
      const { request, replyEncoding } = readRequest(definition, message.data, headers);
      operationId = operationIdOf(request, headers);
      const reply = await this.#handle(endpoint, request, operationId, headers, message.subject);
      this.#reply(message, definition, reply, replyEncoding, operationId);
    } catch (error) {
      const wire = wireErrorOf(error);
      counter.failed(wire.status, wire.message);
      const level = wire.status >= 500 ? 'error' : 'info';
      const { code, status } = wire;
      this.#log[level](
        { err: error, command: definition.name, operation: operationId, code, status },
        'command refused',
      );
      this.#respond(message, errorBody(wire), {
        ...errorHeaders(wire),
        [OPERATION_HEADER]: operationId,
      });
    } finally {
      counter.took(process.hrtime.bigint() - startedAt);
    }
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

  async #handle(
    endpoint: Endpoint,
    request: unknown,
    operationId: string,
    headers: ReadHeaders,
    subject: string,
  ): Promise<unknown> {
    const timeoutMs = this.#options.handlerTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS;
    const expired = new AbortController();
    const work = endpoint.handler(request, {
      command: endpoint.definition.name,
      operationId,
      traceparent: childTraceparent(headers.get('traceparent')),
      subject,
      signal: expired.signal,
    });
    if (await settledWithin(work, timeoutMs)) return work;
    expired.abort();
    throw new CommandError(
      'handler-timeout',
      `${endpoint.definition.name} did not end within ${timeoutMs} ms and may still go on; ask again with the same operation id`,
      { status: 504 },
    );
  }

  #reply(
    message: Msg,
    definition: CommandDefinition,
    reply: unknown,
    encoding: Encoding,
    operationId: string,
  ): void {
    const { data, contentType } = writeReply(definition.reply, reply, encoding);
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

function endpointsOf(options: ServeOptions): Endpoint[] {
  const names = Object.keys(options.handlers) as CommandName[];
  return names.flatMap((name) => {
    const definition = commands[name];
    const handler = options.handlers[name] as Endpoint['handler'] | undefined;
    if (handler === undefined) return [];
    const made = (suffix: string, subject: string): Endpoint => ({
      definition,
      // Wrapped so that a handler that throws before its first await answers with an error like any other.
      handler: async (request, context) => handler(request, context),
      counter: new EndpointCounter(),
      info: {
        name: `${name.replaceAll('.', '-')}${suffix}`,
        subject,
        queue_group: QUEUE_GROUP,
        metadata: metadataOf(definition),
      },
    });
    const { instance } = options;
    return instance === undefined
      ? [made('', definition.subject)]
      : [
          made('', definition.subject),
          made(`-${instance.replace(/[^A-Za-z0-9_-]/g, '_')}`, commandSubject(name, instance)),
        ];
  });
}

function metadataOf(definition: CommandDefinition): Record<string, string> {
  return {
    description: definition.description,
    request_schema: definition.request,
    request_fingerprint: definition.requestFingerprint,
    reply_schema: definition.reply,
    reply_fingerprint: definition.replyFingerprint,
    request_example: JSON.stringify(definition.example),
    reply_example: JSON.stringify(definition.replyExample),
    idempotency: definition.idempotency,
  };
}
