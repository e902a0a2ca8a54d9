import { messageOf } from '@salvor/service-kit';
import { ErrorCode, type Msg, type MsgHdrs, NatsError } from 'nats';
import { BusError } from './bus-error.ts';
import type { BusStatus, Connection } from './connection.ts';
import { statusCode } from './message-headers.ts';
import type { Expectation, ReplyInbox } from './reply-inbox.ts';

export interface RawRequest {
  subject: string;
  data: Uint8Array | string;
  headers?: MsgHdrs;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** After a reconnect the answering service may still be on its way back: nobody there is no answer yet. */
const RETURN_GRACE_MS = 3_000;
const RETURN_RETRY_MS = 100;

/**
 * Request and reply. A request sent before or during an outage is sent again after it, until its deadline: so only
 * requests that may be repeated belong here (commands carry an operation id, the server API calls used only read).
 */
export class Requester {
  readonly #connection: Connection;
  readonly #inbox: ReplyInbox;
  #reconnectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(connection: Connection, inbox: ReplyInbox) {
    this.#connection = connection;
    this.#inbox = inbox;
    connection.onStatus((status) => {
      if (status.state === 'connected') this.#reconnectedAtMs = performance.now();
    });
  }

  /**
   * @throws BusError `no-responders`, `request-timeout`, `request-aborted`, `not-permitted`, `payload-too-large`,
   * `bus-closed`
   */
  async request(request: RawRequest): Promise<Msg> {
    const mayReturn = () => performance.now() - this.#reconnectedAtMs < RETURN_GRACE_MS;
    const pending = new PendingRequest(request, this.#connection, this.#inbox, mayReturn);
    try {
      return await pending.reply;
    } finally {
      pending.end();
    }
  }
}

/** One request until its end. */
class PendingRequest {
  readonly reply: Promise<Msg>;
  readonly #request: RawRequest;
  readonly #connection: Connection;
  readonly #inbox: ReplyInbox;
  readonly #mayReturn: () => boolean;
  readonly #deadline: NodeJS.Timeout;
  readonly #offStatus: () => void;
  #retry: NodeJS.Timeout | undefined;
  #expected: Expectation | undefined;
  #answer: (reply: Msg) => void = () => {};
  #fail: (error: BusError) => void = () => {};

  constructor(request: RawRequest, connection: Connection, inbox: ReplyInbox, mayReturn: () => boolean) {
    this.#request = request;
    this.#connection = connection;
    this.#inbox = inbox;
    this.#mayReturn = mayReturn;
    this.reply = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
    this.#deadline = setTimeout(() => this.#expire(), request.timeoutMs);
    this.#offStatus = connection.onStatus((status) => this.#onStatus(status));
    request.signal?.addEventListener('abort', this.#abort);
    if (request.signal?.aborted) this.#abort();
    else if (connection.nc.isClosed()) this.#onStatus({ state: 'closed' });
    else if (connection.connected()) this.#send();
  }

  end(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#retry);
    this.#offStatus();
    this.#request.signal?.removeEventListener('abort', this.#abort);
    this.#expected?.forget();
  }

  #send(): void {
    const { subject, data, headers } = this.#request;
    this.#expected?.forget();
    this.#expected = this.#inbox.expect({
      onReply: (reply) => this.#onReply(reply),
      onRefused: this.#fail,
    });
    try {
      const reply = this.#expected.subject;
      this.#connection.nc.publish(subject, data, { reply, ...(headers ? { headers } : {}) });
    } catch (error) {
      this.#fail(sendFailure(subject, error));
    }
  }

  #onReply(reply: Msg): void {
    const nobody = reply.data.length === 0 && statusCode(reply).code === 503;
    if (!nobody) this.#answer(reply);
    else if (this.#mayReturn()) this.#retry = setTimeout(() => this.#send(), RETURN_RETRY_MS);
    else {
      const message = `nobody answers on ${this.#request.subject}: is the service running?`;
      this.#fail(new BusError('no-responders', message));
    }
  }

  #onStatus(status: BusStatus): void {
    const { subject } = this.#request;
    switch (status.state) {
      case 'connected':
        this.#send();
        break;
      case 'disconnected':
        clearTimeout(this.#retry);
        break;
      case 'closed':
        this.#fail(new BusError('bus-closed', `the connection was closed before ${subject} was answered`));
        break;
      case 'not-permitted':
        if (status.operation === 'publish' && status.subject === subject) {
          const message = `the nats server does not let this user publish on ${subject}: grant publish on it`;
          this.#fail(new BusError('not-permitted', message));
        }
        break;
      default:
        status satisfies never;
    }
  }

  #expire(): void {
    const { subject, timeoutMs } = this.#request;
    const why = this.#connection.connected() ? 'no answer' : 'nats is not connected';
    const message = `${subject}: ${why} within ${timeoutMs} ms; it may or may not have been carried out`;
    this.#fail(new BusError('request-timeout', message));
  }

  readonly #abort = (): void => {
    this.#fail(
      new BusError('request-aborted', `the request ${this.#request.subject} was ended by its caller`),
    );
  };
}

function sendFailure(subject: string, cause: unknown): BusError {
  if (cause instanceof NatsError && cause.code === ErrorCode.MaxPayloadExceeded) {
    const message = `${subject} was not sent: the request is larger than the server's max_payload`;
    return new BusError('payload-too-large', message, { cause });
  }
  return new BusError('bus-closed', `${subject} was not sent: ${messageOf(cause)}`, { cause });
}
