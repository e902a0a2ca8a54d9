import { type Logger, messageOf } from '@salvor/service-kit';
import { ErrorCode, type Msg, type MsgHdrs, NatsError } from 'nats';
import { BusError } from './bus-error.ts';
import type { Connection } from './connection.ts';
import { headerBytes, statusCode } from './message-headers.ts';
import { parseAck, refusedError, type Stored } from './publish-ack.ts';
import type { Expectation, ReplyInbox } from './reply-inbox.ts';

export interface OutboxLimits {
  /** Messages held, sent and unsent together; one more is refused with `outbox-full`. */
  maxMessages: number;
  maxBytes: number;
  /** Messages sent and not yet acknowledged; more only adds latency. */
  windowMessages: number;
  /** A send without an answer for this long is sent again. */
  ackTimeoutMs: number;
}

export const DEFAULT_OUTBOX_LIMITS: OutboxLimits = {
  maxMessages: 4_096,
  maxBytes: 16 * 1024 * 1024,
  windowMessages: 128,
  ackTimeoutMs: 2_000,
};

/** Waits before a send is repeated that the server answered with a refusal that may pass. */
const RETRY_BACKOFF_MS = [100, 250, 500, 1_000, 2_000] as const;
const SWEEP_INTERVAL_MS = 100;
const RETRY_LOG_INTERVAL_MS = 5_000;

export interface OutboxMessage {
  subject: string;
  data: Uint8Array;
  /** Must carry `Nats-Msg-Id`: every repetition is the same message to the stream. */
  headers: MsgHdrs;
  /** Give up after this long; default: keep trying as long as the bus is open. */
  timeoutMs?: number;
}

interface Entry {
  readonly sequence: number;
  readonly message: OutboxMessage;
  readonly bytes: number;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: BusError) => void;
  attempts: number;
  sentAtMs: number;
  expected?: Expectation;
  deadlineTimer?: NodeJS.Timeout;
  retryTimer?: NodeJS.Timeout;
}

/**
 * Publishes to JetStream until the stream has acknowledged. The client library drops what is published while
 * disconnected and gives up on a slow server; the outbox keeps the message and sends it again under the same id.
 * Nothing leaves it silently: every message ends acknowledged or with an error to its publisher.
 */
export class Outbox {
  readonly #connection: Connection;
  readonly #inbox: ReplyInbox;
  readonly #limits: OutboxLimits;
  readonly #log: Logger;
  readonly #entries = new Set<Entry>();
  readonly #sent = new Set<Entry>();
  #ready: Entry[] = [];
  #bytes = 0;
  #sequence = 0;
  #closed = false;
  #retryLoggedAtMs = Number.NEGATIVE_INFINITY;
  #emptied: (() => void)[] = [];
  readonly #sweeper: NodeJS.Timeout;
  readonly #offStatus: () => void;

  constructor(connection: Connection, inbox: ReplyInbox, log: Logger, limits: OutboxLimits) {
    this.#connection = connection;
    this.#inbox = inbox;
    this.#log = log;
    this.#limits = limits;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
    this.#offStatus = connection.onStatus((status) => {
      if (status.state === 'disconnected') this.#takeBackSent();
      else if (status.state === 'connected') this.#pump();
      else if (status.state === 'closed') this.#failAll('the connection was closed');
      else if (status.operation === 'publish') this.#refuse(status.subject);
    });
  }

  /** Messages held, for metrics and tests. */
  size(): { messages: number; bytes: number; sent: number } {
    return { messages: this.#entries.size, bytes: this.#bytes, sent: this.#sent.size };
  }

  /**
   * @throws BusError `outbox-full`, `publish-deadline`, `publish-refused`, `payload-too-large`, `not-permitted`,
   * `bus-closed`
   */
  publish(message: OutboxMessage): Promise<Stored> {
    const bytes = message.data.length;
    if (this.#closed) return Promise.reject(closedError(message.subject, 'the bus is closing'));
    // Checked here as well: the client library checks only while it is connected, and a server that receives an
    // oversized message ends the connection.
    const maxBytes = this.#connection.maxPayloadBytes();
    if (bytes > maxBytes / 2 && bytes + headerBytes(message.headers) > maxBytes) {
      return Promise.reject(tooLargeError(message, maxBytes));
    }
    if (this.#entries.size >= this.#limits.maxMessages || this.#bytes + bytes > this.#limits.maxBytes) {
      return Promise.reject(
        new BusError(
          'outbox-full',
          `${message.subject} was not published: ${this.#entries.size} messages (${this.#bytes} bytes) already wait for the stream, the limit is ${this.#limits.maxMessages} messages or ${this.#limits.maxBytes} bytes; is nats reachable and is the stream there?`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const sequence = this.#sequence++;
      const entry: Entry = { sequence, message, bytes, resolve, reject, attempts: 0, sentAtMs: 0 };
      this.#entries.add(entry);
      this.#bytes += bytes;
      if (message.timeoutMs !== undefined) {
        entry.deadlineTimer = setTimeout(() => this.#expire(entry), message.timeoutMs);
      }
      this.#ready.push(entry);
      this.#pump();
    });
  }

  /** Refuses new messages, waits for what is held, then rejects the rest with `bus-closed`. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    if (this.#entries.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs);
        this.#emptied.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#failAll('the bus was closed before the stream acknowledged');
    clearInterval(this.#sweeper);
    this.#offStatus();
  }

  #pump(): void {
    while (
      this.#ready.length > 0 &&
      this.#sent.size < this.#limits.windowMessages &&
      this.#connection.connected()
    ) {
      const entry = this.#ready.shift();
      if (entry) this.#send(entry);
    }
  }

  #send(entry: Entry): void {
    const { subject, data, headers } = entry.message;
    entry.attempts += 1;
    entry.sentAtMs = performance.now();
    const expected = this.#inbox.expect({
      onReply: (reply) => this.#onAck(entry, reply),
      onRefused: (error) => this.#fail(entry, error),
    });
    entry.expected = expected;
    this.#sent.add(entry);
    try {
      this.#connection.nc.publish(subject, data, { reply: expected.subject, headers });
    } catch (error) {
      if (error instanceof NatsError && error.code === ErrorCode.MaxPayloadExceeded) {
        this.#fail(entry, tooLargeError(entry.message, this.#connection.maxPayloadBytes()));
      } else {
        // The connection is going away: its status event decides what becomes of the message.
        this.#retryLater(entry, messageOf(error));
      }
    }
  }

  #onAck(entry: Entry, reply: Msg): void {
    if (reply.data.length === 0 && statusCode(reply).code === 503) {
      this.#retryLater(entry, 'no stream takes this subject, or JetStream is not ready');
      return;
    }
    const ack = parseAck(reply);
    if (typeof ack === 'string') this.#retryLater(entry, ack);
    else if ('stream' in ack) this.#finish(entry, () => entry.resolve(ack));
    else if (ack.code >= 500) this.#retryLater(entry, ack.description);
    else this.#fail(entry, refusedError(entry.message.subject, ack));
  }

  /** After a disconnect nobody knows which sends arrived: all are sent again, in their order. */
  #takeBackSent(): void {
    const taken = [...this.#sent];
    for (const entry of taken) entry.expected?.forget();
    this.#sent.clear();
    this.#ready.push(...taken);
    this.#ready.sort((a, b) => a.sequence - b.sequence);
  }

  #retryLater(entry: Entry, reason: string): void {
    if (!this.#entries.has(entry)) return;
    this.#unsend(entry);
    const last = RETRY_BACKOFF_MS.length - 1;
    const delayMs = RETRY_BACKOFF_MS[Math.min(entry.attempts - 1, last)] ?? RETRY_BACKOFF_MS[last];
    entry.retryTimer = setTimeout(() => {
      this.#ready.push(entry);
      this.#ready.sort((a, b) => a.sequence - b.sequence);
      this.#pump();
    }, delayMs);
    const now = performance.now();
    if (now - this.#retryLoggedAtMs >= RETRY_LOG_INTERVAL_MS) {
      this.#retryLoggedAtMs = now;
      const { subject } = entry.message;
      const held = this.#entries.size;
      this.#log.warn({ subject, attempts: entry.attempts, reason, held, delayMs }, 'publish is repeated');
    }
    this.#pump();
  }

  #sweep(): void {
    const before = performance.now() - this.#limits.ackTimeoutMs;
    for (const entry of [...this.#sent]) {
      if (entry.sentAtMs < before) {
        this.#retryLater(entry, `no acknowledgement within ${this.#limits.ackTimeoutMs} ms`);
      }
    }
  }

  #expire(entry: Entry): void {
    const { subject, timeoutMs } = entry.message;
    const message = `${subject} was not acknowledged within ${timeoutMs} ms after ${entry.attempts} sends; it may or may not be stored, a repetition with the same id is stored once`;
    this.#fail(entry, new BusError('publish-deadline', message));
  }

  #refuse(subject: string): void {
    for (const entry of [...this.#entries]) {
      if (entry.message.subject !== subject || entry.attempts === 0) continue;
      const message = `the nats server does not let this user publish on ${subject}: grant publish on it`;
      this.#fail(entry, new BusError('not-permitted', message));
    }
  }

  #failAll(reason: string): void {
    for (const entry of [...this.#entries]) this.#fail(entry, closedError(entry.message.subject, reason));
  }

  #fail(entry: Entry, error: BusError): void {
    this.#finish(entry, () => entry.reject(error));
  }

  #finish(entry: Entry, settle: () => void): void {
    if (!this.#entries.delete(entry)) return;
    this.#bytes -= entry.bytes;
    this.#unsend(entry);
    this.#ready = this.#ready.filter((other) => other !== entry);
    clearTimeout(entry.deadlineTimer);
    clearTimeout(entry.retryTimer);
    settle();
    if (this.#entries.size === 0) for (const emptied of this.#emptied.splice(0)) emptied();
    this.#pump();
  }

  #unsend(entry: Entry): void {
    entry.expected?.forget();
    this.#sent.delete(entry);
  }
}

function tooLargeError(message: OutboxMessage, maxBytes: number): BusError {
  return new BusError(
    'payload-too-large',
    `${message.subject} was not published: ${message.data.length} bytes and its headers are more than the server's max_payload of ${maxBytes} bytes`,
  );
}

function closedError(subject: string, reason: string): BusError {
  return new BusError('bus-closed', `${subject} was not published: ${reason}`);
}
