import { randomUUID } from 'node:crypto';
import {
  type CommandName,
  type CommandShapes,
  commandSubject,
  commands,
  DecodeError,
  decodeAs,
  encode,
  type RecordInits,
  type RecordName,
} from '@salvor/contracts';
import { childTraceparent, codeOf } from '@salvor/service-kit';
import type { Msg } from 'nats';
import type { BusMeter } from './bus-meter.ts';
import { AVRO_CONTENT_TYPE } from './cloud-events.ts';
import { CommandError, commandErrorFrom, ERROR_CODE_HEADER, ERROR_HEADER } from './command-error.ts';
import { readHeaders, writeHeaders } from './message-headers.ts';
import type { Requester } from './requester.ts';
import type { SchemaRegistry } from './schema-registry.ts';
import type { RequestOptions } from './types.ts';

const DEFAULT_REQUEST_TIMEOUT_MS = 5_000;

/** Asks services. */
export class CommandClient {
  readonly #requester: Requester;
  readonly #registry: SchemaRegistry;
  readonly #meter: BusMeter;

  constructor(requester: Requester, registry: SchemaRegistry, meter: BusMeter) {
    this.#requester = requester;
    this.#registry = registry;
    this.#meter = meter;
  }

  async request<C extends CommandName>(
    command: C,
    request: CommandShapes[C]['init'],
    options: RequestOptions = {},
  ): Promise<CommandShapes[C]['reply']> {
    try {
      const reply = await this.#ask(command, request, options);
      this.#meter.asked(command, 'ok');
      return reply;
    } catch (error) {
      this.#meter.asked(command, codeOf(error));
      throw error;
    }
  }

  async #ask<C extends CommandName>(
    command: C,
    request: CommandShapes[C]['init'],
    options: RequestOptions,
  ): Promise<CommandShapes[C]['reply']> {
    const definition = commands[command];
    const subject = commandSubject(command, options.instance);
    const reply = await this.#requester.request({
      subject,
      data: encode<RecordName>(definition.request, request as RecordInits[RecordName]),
      headers: writeHeaders({
        'Content-Type': AVRO_CONTENT_TYPE,
        'Nats-Msg-Id': options.operationId ?? operationIdIn(request) ?? randomUUID(),
        traceparent: childTraceparent(options.traceparent),
      }),
      timeoutMs: options.timeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      signal: options.signal,
    });
    throwAnsweredError(subject, reply);
    return (await this.#decodeReply(definition.reply, subject, reply)) as CommandShapes[C]['reply'];
  }

  async #decodeReply(record: RecordName, subject: string, reply: Msg): Promise<unknown> {
    try {
      return decodeAs(record, reply.data);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const newer = error.code === 'unknown-schema' ? error.fingerprint : undefined;
      if (newer !== undefined && (await this.#registry.learn(newer))) return decodeAs(record, reply.data);
      throw new CommandError('invalid-reply', `${subject} answered what cannot be read: ${error.message}`, {
        status: 502,
        cause: error,
      });
    }
  }
}

function operationIdIn(request: object): string | undefined {
  const { operationId } = request as { operationId?: unknown };
  return typeof operationId === 'string' ? operationId : undefined;
}

function throwAnsweredError(subject: string, reply: Msg): void {
  const headers = readHeaders(reply);
  if (!headers) {
    throw new CommandError('invalid-reply', `${subject} answered with headers that cannot be read`, {
      status: 502,
    });
  }
  const code = headers.get(ERROR_CODE_HEADER.toLowerCase());
  if (code === undefined) return;
  throw commandErrorFrom(code, headers.get(ERROR_HEADER.toLowerCase()) ?? '', reply.string());
}
