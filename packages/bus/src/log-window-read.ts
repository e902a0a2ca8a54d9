import { createInbox, type Msg, nanos } from 'nats';
import { BusError } from './bus-error.ts';
import type { Connection } from './connection.ts';
import type { LogMessage, LogWindow, ReadLogWindow } from './log-port.ts';
import { statusCode } from './message-headers.ts';

/** A consumer that nobody asks is forgotten by the server after this long. */
const INACTIVE_MS = 30_000;
const EXPIRES_MS = 5_000;
/** Nothing came for this long: the window ends with what it has. */
const SILENCE_MS = 6_000;
const MAX_BATCH = 4_096;
/** The server counts subjects and headers too, and sends nothing when the first message does not fit. */
const MIN_PULL_BYTES = 640 * 1024;

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>` */
const ACK_TOKENS = 9;

/** One pull of a consumer made for it: messages in order, without holes, or fewer. */
export class LogWindowRead {
  readonly #connection: Connection;
  readonly #window: ReadLogWindow;
  readonly #consumer: string;
  readonly #wanted: number;
  readonly #messages: LogMessage[] = [];
  #next: number;
  #bytes = 0;
  #pending: number;

  constructor(connection: Connection, window: ReadLogWindow, consumer: string, pending: number) {
    this.#connection = connection;
    this.#window = window;
    this.#consumer = consumer;
    this.#next = window.from;
    const atMost = window.atMost?.(pending) ?? pending;
    this.#wanted = pending === 0 ? 0 : Math.max(0, Math.min(pending, atMost, MAX_BATCH));
    this.#pending = pending;
  }

  static consumerOf(window: ReadLogWindow): object {
    return {
      stream_name: window.stream,
      config: {
        description: 'reads a window of a transaction log',
        deliver_policy: 'by_start_sequence',
        opt_start_seq: Math.max(1, window.from),
        ack_policy: 'none',
        replay_policy: 'instant',
        filter_subject: window.subject,
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      },
    };
  }

  /** @throws BusError `request-timeout` when not even one message of those that are there came */
  async read(): Promise<LogWindow> {
    if (this.#wanted === 0) return { messages: [], next: this.#next, end: this.#pending === 0 };
    const why = await this.#pull();
    const end = this.#pending === 0 || this.#isBehind();
    if (this.#messages.length === 0 && !end)
      throw new BusError(
        'request-timeout',
        `${this.#window.subject}: expected ${this.#wanted} messages from ${this.#window.from} on, none came: ${why}`,
      );
    return { messages: this.#messages, next: this.#next, end };
  }

  #pull(): Promise<string> {
    const { nc, inboxPrefix } = this.#connection;
    const inbox = createInbox(inboxPrefix);
    return new Promise((resolve) => {
      const finish = (why: string) => {
        clearTimeout(silence);
        offStatus();
        subscription.unsubscribe();
        resolve(why);
      };
      const silence = setTimeout(() => finish(`nothing within ${SILENCE_MS} ms`), SILENCE_MS);
      const offStatus = this.#connection.onStatus(({ state }) => {
        if (state === 'disconnected' || state === 'closed') finish(state);
      });
      const subscription = nc.subscribe(inbox, {
        callback: (error, message) => {
          silence.refresh();
          const why = error ? error.message : this.#take(message, inbox);
          if (why !== null) finish(why);
        },
      });
      const max_bytes = Math.max(this.#window.maxBytes, MIN_PULL_BYTES);
      const request = { batch: this.#wanted, max_bytes, expires: nanos(EXPIRES_MS) };
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#window.stream}.${this.#consumer}`;
      if (!this.#connection.connected()) finish('disconnected');
      else nc.publish(subject, JSON.stringify(request), { reply: inbox });
    });
  }

  /** @returns why the window ends with it, or null. Runs in the read loop of the connection: must not throw. */
  #take(message: Msg, inbox: string): string | null {
    if (message.subject === inbox) {
      const { code, description } = statusCode(message);
      return code === 100 ? null : `${code} ${description}`;
    }
    const place = placeOf(message);
    // A hole: the connection lost a message, so what comes behind it belongs to the next window.
    if (place === null || place.delivered !== this.#messages.length + 1) return 'a message is missing';
    this.#pending = place.pending;
    if (this.#window.upTo !== undefined && place.sequence > this.#window.upTo) {
      this.#next = this.#window.upTo + 1;
      return 'its end';
    }
    // The library's bytes are a view of what one read of the socket brought, which they would keep alive whole.
    this.#messages.push({ sequence: place.sequence, data: Buffer.from(message.data) });
    this.#bytes += message.data.length;
    this.#next = place.sequence + 1;
    if (this.#messages.length >= this.#wanted) return 'all came';
    return this.#bytes >= this.#window.maxBytes ? 'full' : null;
  }

  #isBehind(): boolean {
    return this.#window.upTo !== undefined && this.#next > this.#window.upTo;
  }
}

function placeOf(message: Msg): { sequence: number; delivered: number; pending: number } | null {
  const tokens = message.reply?.split('.') ?? [];
  if (tokens.length < ACK_TOKENS) return null;
  // Servers with domains put two tokens more in front: their counts move.
  const at = tokens.length === ACK_TOKENS ? 0 : 2;
  const [sequence, delivered, , pending] = tokens.slice(at + 5).map(Number);
  if (sequence === undefined || delivered === undefined || pending === undefined) return null;
  return { sequence, delivered, pending };
}
