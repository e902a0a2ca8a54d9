import { messageOf } from '@salvor/service-kit';
import { type Msg, type MsgHdrs, headers as newHeaders } from 'nats';
import { BusError } from './bus-error.ts';
import type { BusStatus, Connection } from './connection.ts';
import type { LogPublication, LogPublisherLimits } from './log-port.ts';
import { headerBytes, statusCode } from './message-headers.ts';
import { type AckRefusal, parseAck, refusedError, type Stored } from './publish-ack.ts';
import type { Expectation, ReplyInbox } from './reply-inbox.ts';

/** Wider windows only add latency. */
export const DEFAULT_LOG_PUBLISHER_LIMITS: LogPublisherLimits = {
  windowMessages: 64,
  windowBytes: 16 * 1024 * 1024,
  ackTimeoutMs: 2_000,
};

const SWEEPS_A_TIMEOUT = 8;
const WRONG_LAST_SEQUENCE = 10071;
const MESSAGE_TOO_LARGE = 10054;
/** Maximum messages or bytes exceeded; no storage left; no resources left. */
const FULL: ReadonlySet<number> = new Set([10077, 10047, 10023]);

interface Sent {
  readonly subject: string;
  readonly bytes: number;
  readonly atMs: number;
  readonly expectation: Expectation;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: BusError) => void;
}

/**
 * Publishes to JetStream once and tells what became of it: whoever writes a log decides itself whether to send again. All
 * acknowledgements share one inbox, and one sweep finds those that do not come.
 */
export class LogPublisher {
  readonly #connection: Connection;
  readonly #inbox: ReplyInbox;
  readonly #limits: LogPublisherLimits;
  readonly #sent = new Set<Sent>();
  readonly #waiting: (() => void)[] = [];
  readonly #offStatus: () => void;
  #bytes = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(connection: Connection, inbox: ReplyInbox, limits: LogPublisherLimits) {
    this.#connection = connection;
    this.#inbox = inbox;
    this.#limits = limits;
    this.#offStatus = connection.onStatus((status) => this.#onStatus(status));
  }

  async publish(message: LogPublication): Promise<Stored> {
    const headers = headersOf(message);
    const bytes = message.data.length;
    const maxBytes = this.#connection.maxPayloadBytes();
    // The client library checks as well, but not the headers; a server that receives too much ends the connection.
    if (bytes > maxBytes / 2 && bytes + headerBytes(headers) > maxBytes) {
      const text = `${message.subject}: ${bytes} bytes and headers are more than the server's max_payload of ${maxBytes} bytes`;
      throw new BusError('payload-too-large', text);
    }
    while (this.#isFull(bytes) && !this.#closed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return new Promise((resolve, reject) => this.#send(message, headers, resolve, reject));
  }

  close(): void {
    this.#closed = true;
    this.#offStatus();
    this.#failAll('bus-closed', 'the bus was closed before the stream acknowledged');
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** An empty window takes any message. */
  #isFull(bytes: number): boolean {
    const { windowMessages, windowBytes } = this.#limits;
    return this.#sent.size >= windowMessages || (this.#sent.size > 0 && this.#bytes + bytes > windowBytes);
  }

  #send(
    { subject, data }: LogPublication,
    headers: MsgHdrs,
    resolve: (stored: Stored) => void,
    reject: (error: BusError) => void,
  ): void {
    if (this.#closed || this.#connection.nc.isClosed()) {
      reject(new BusError('bus-closed', `${subject} was not published: the bus is closed`));
      return;
    }
    // The client library drops what is published without a connection, silently.
    if (!this.#connection.connected()) {
      reject(new BusError('disconnected', `${subject} was not published: no nats server is connected`));
      return;
    }
    const expectation = this.#inbox.expect({
      onReply: (reply) => this.#onReply(sent, reply),
      onRefused: (error) => this.#fail(sent, error),
    });
    const sent: Sent = { subject, bytes: data.length, atMs: performance.now(), expectation, resolve, reject };
    this.#sent.add(sent);
    this.#bytes += sent.bytes;
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#limits.ackTimeoutMs / SWEEPS_A_TIMEOUT).unref();
    try {
      this.#connection.nc.publish(subject, data, { reply: expectation.subject, headers });
    } catch (error) {
      this.#fail(sent, new BusError('disconnected', `${subject} was not published: ${messageOf(error)}`));
    }
  }

  #onReply(sent: Sent, reply: Msg): void {
    if (reply.data.length === 0 && statusCode(reply).code === 503) {
      this.#fail(
        sent,
        new BusError(
          'no-stream',
          `no stream takes ${sent.subject}: is it there (salvor bus apply), and has it a leader?`,
        ),
      );
      return;
    }
    const ack = parseAck(reply);
    // Anyone may answer on an inbox: nonsense proves nothing, the time-out decides.
    if (typeof ack === 'string') return;
    if (!('stream' in ack)) this.#fail(sent, refusal(sent.subject, ack));
    else if (this.#take(sent)) sent.resolve(ack);
  }

  #onStatus(status: BusStatus): void {
    if (status.state === 'disconnected')
      this.#failAll(
        'disconnected',
        'the connection broke before the stream acknowledged; it may be stored or not',
      );
    else if (status.state === 'closed')
      this.#failAll('bus-closed', 'the connection was closed before the stream acknowledged');
    else if (status.state === 'not-permitted' && status.operation === 'publish')
      for (const sent of [...this.#sent]) {
        if (sent.subject !== status.subject) continue;
        this.#fail(
          sent,
          new BusError(
            'not-permitted',
            `the nats server does not let this user publish on ${sent.subject}: grant publish on it`,
          ),
        );
      }
  }

  #sweep(): void {
    const before = performance.now() - this.#limits.ackTimeoutMs;
    for (const sent of [...this.#sent]) {
      if (sent.atMs >= before) break;
      const text = `${sent.subject} was not acknowledged within ${this.#limits.ackTimeoutMs} ms; it may be stored or not`;
      this.#fail(sent, new BusError('publish-deadline', text));
    }
  }

  #failAll(code: BusError['code'], reason: string): void {
    for (const sent of [...this.#sent]) this.#fail(sent, new BusError(code, `${sent.subject}: ${reason}`));
  }

  #fail(sent: Sent, error: BusError): void {
    if (this.#take(sent)) sent.reject(error);
  }

  #take(sent: Sent): boolean {
    if (!this.#sent.delete(sent)) return false;
    sent.expectation.forget();
    this.#bytes -= sent.bytes;
    if (this.#sent.size === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
    }
    // One that is woken looks at the window again; a large one that still does not fit waits for the next.
    this.#waiting.shift()?.();
    return true;
  }
}

function headersOf({ id, expectedLastSequence }: LogPublication): MsgHdrs {
  const headers = newHeaders();
  headers.append('Nats-Msg-Id', id);
  if (expectedLastSequence !== undefined)
    headers.append('Nats-Expected-Last-Subject-Sequence', String(expectedLastSequence));
  return headers;
}

function refusal(subject: string, refused: AckRefusal): BusError {
  const said = `${refused.description} (err_code ${refused.errCode})`;
  if (refused.errCode === WRONG_LAST_SEQUENCE)
    return new BusError('wrong-last-sequence', `${subject}: another message was stored in between: ${said}`);
  if (FULL.has(refused.errCode))
    return new BusError('stream-full', `${subject}: its stream has no room left: ${said}`);
  if (refused.errCode === MESSAGE_TOO_LARGE)
    return new BusError('payload-too-large', `${subject}: larger than its stream takes: ${said}`);
  if (refused.code === 503) return new BusError('no-stream', `${subject}: its stream is not ready: ${said}`);
  return refusedError(subject, refused);
}
