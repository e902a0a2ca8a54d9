import { createInbox, type Msg, type NatsConnection } from 'nats';
import { BusError } from './bus-error.ts';

export interface Expectation {
  /** Subject to give as the reply subject. */
  readonly subject: string;
  forget(): void;
}

/** Neither may throw: they run inside the read loop of the connection. */
interface Waiting {
  onReply(message: Msg): void;
  onRefused(error: BusError): void;
}

/**
 * One subscription for all replies and publish acknowledgements: a request costs a map entry instead of a
 * subscription and a timer of its own.
 */
export class ReplyInbox {
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  #next = 0;
  #refused: BusError | undefined;

  constructor(nc: NatsConnection, inboxPrefix: string) {
    this.#prefix = createInbox(inboxPrefix);
    nc.subscribe(`${this.#prefix}.*`, {
      callback: (error, message) => {
        if (error) this.#refuse(error);
        else this.#deliver(message);
      },
    });
  }

  expect(waiting: Waiting): Expectation {
    const token = (this.#next++).toString(36);
    if (this.#refused) {
      const refused = this.#refused;
      queueMicrotask(() => waiting.onRefused(refused));
    } else {
      this.#waiting.set(token, waiting);
    }
    return {
      subject: `${this.#prefix}.${token}`,
      forget: () => this.#waiting.delete(token),
    };
  }

  #deliver(message: Msg): void {
    const token = message.subject.slice(this.#prefix.length + 1);
    const waiting = this.#waiting.get(token);
    // Late or doubled replies are normal: the waiter has gone on.
    if (!waiting) return;
    waiting.onReply(message);
  }

  #refuse(cause: Error): void {
    this.#refused = new BusError(
      'not-permitted',
      `the nats server does not let this user subscribe to its inbox ${this.#prefix}.*: grant subscribe on the inbox prefix`,
      { cause },
    );
    for (const waiting of [...this.#waiting.values()]) waiting.onRefused(this.#refused);
    this.#waiting.clear();
  }
}
