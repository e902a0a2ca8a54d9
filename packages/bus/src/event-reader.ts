import {
  type Decoded,
  DecodeError,
  decode,
  type EventPayloads,
  type EventType,
  eventRecord,
  parseEventSubject,
} from '@salvor/contracts';
import type { Msg } from 'nats';
import { decodeAttribute } from './cloud-events.ts';
import type { Delivery } from './delivery.ts';
import { type ReadHeaders, readHeaders } from './message-headers.ts';
import type { SchemaRegistry } from './schema-registry.ts';

/** One event as a handler gets it. `type` tells what `payload` is. */
export type BusEvent<T extends EventType = EventType> = {
  [K in T]: {
    readonly type: K;
    readonly payload: EventPayloads[K];
    /** `ce-id`, or `<stream>:<sequence>` for a publisher that sent none. The same event always has the same id. */
    readonly id: string;
    readonly subject: string;
    /** `/salvor/<service>` as sent, or empty. */
    readonly source: string;
    readonly traceparent?: string;
    /** Where it is stored; absent on a live watch. */
    readonly stored?: { stream: string; seq: number; deliveries: number; atMs: number };
  };
}[T];

export type ReadEvent =
  | { ok: true; event: BusEvent }
  | { ok: false; code: 'headers-malformed' | 'undecodable' | 'wrong-record'; reason: string };

/** From wire to event. Reads writers older and newer than this process, by the schemas they published. */
export class EventReader {
  readonly #registry: SchemaRegistry;

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  /** The type a subject names, undefined when this version knows no such event. */
  typeOf(subject: string): EventType | undefined {
    return parseEventSubject(subject)?.type;
  }

  /** @throws BusError when a foreign schema is needed and the registry cannot be asked now */
  async read(message: Msg, type: EventType, delivery: Delivery | undefined): Promise<ReadEvent> {
    const headers = readHeaders(message);
    if (!headers) {
      return {
        ok: false,
        code: 'headers-malformed',
        reason: 'the header block cannot be read: names must be ASCII without spaces',
      };
    }
    let decoded: Decoded;
    try {
      decoded = await this.#decode(message.data);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return { ok: false, code: 'undecodable', reason: `${error.code}: ${error.message}` };
    }
    const record = eventRecord(type);
    if (decoded.name !== record) {
      const reason = `the subject announces ${type}, which is ${record}, but the bytes are ${decoded.name}`;
      return { ok: false, code: 'wrong-record', reason };
    }
    return { ok: true, event: eventOf(message, type, decoded.value, headers, delivery) };
  }

  async #decode(bytes: Uint8Array): Promise<Decoded> {
    try {
      return decode(bytes);
    } catch (error) {
      const unknown =
        error instanceof DecodeError && error.code === 'unknown-schema' ? error.fingerprint : undefined;
      if (unknown === undefined || !(await this.#registry.learn(unknown))) throw error;
      return decode(bytes);
    }
  }
}

function eventOf(
  message: Msg,
  type: EventType,
  payload: unknown,
  headers: ReadHeaders,
  delivery: Delivery | undefined,
): BusEvent {
  const traceparent = headers.get('traceparent');
  const id = attribute(headers, 'ce-id') ?? headers.get('nats-msg-id');
  return {
    type,
    payload,
    id: id ?? (delivery ? `${delivery.stream}:${delivery.streamSeq}` : ''),
    subject: message.subject,
    source: attribute(headers, 'ce-source') ?? '',
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(delivery === undefined
      ? {}
      : {
          stored: {
            stream: delivery.stream,
            seq: delivery.streamSeq,
            deliveries: delivery.deliveries,
            atMs: delivery.storedAtMs,
          },
        }),
  } as BusEvent;
}

function attribute(headers: ReadHeaders, name: string): string | undefined {
  const value = headers.get(name);
  return value === undefined || value === '' ? undefined : decodeAttribute(value);
}
