import { type EventType, eventFilter } from '@salvor/contracts';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { Msg, Subscription } from 'nats';
import type { Connection } from './connection.ts';
import type { BusEvent, EventReader } from './event-reader.ts';
import { settledWithin } from './settled-within.ts';
import type { WatchEvents } from './types.ts';

/** Events waiting for a slow watcher; more are left out, and the watcher is told. */
const MAX_WAITING_EVENTS = 10_000;
const DRAIN_DEADLINE_MS = 1_000;
/** Events remembered by their ids: each coordinator announces what etcd holds, and a watcher is told once. */
const REMEMBERED_MAX = 4_096;

/** Passes live events on, in order, one at a time. */
export class EventWatch<T extends EventType> {
  readonly #options: WatchEvents<T>;
  readonly #reader: EventReader;
  readonly #log: Logger;
  readonly #subscriptions: Subscription[];
  readonly #offStatus: () => void;
  readonly #passed = new Set<string>();
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(options: WatchEvents<T>, connection: Connection, reader: EventReader, log: Logger) {
    this.#options = options;
    this.#reader = reader;
    this.#log = log;
    const filters = options.types === 'all' ? [eventFilter('all')] : options.types.map(eventFilter);
    this.#subscriptions = filters.map((filter) =>
      connection.nc.subscribe(filter, {
        callback: (error, message) => {
          if (error) this.#gap(`nats refused the subscription to ${filter}: ${error.message}`);
          else this.#enqueue(message);
        },
      }),
    );
    this.#offStatus = connection.onStatus((status) => {
      if (status.state === 'disconnected') this.#gap('disconnected from nats');
    });
  }

  async stop(): Promise<void> {
    this.#offStatus();
    const open = this.#subscriptions.filter((subscription) => !subscription.isClosed());
    await settledWithin(
      Promise.allSettled(open.map((subscription) => subscription.drain())),
      DRAIN_DEADLINE_MS,
    );
    await settledWithin(this.#tail, DRAIN_DEADLINE_MS);
  }

  #enqueue(message: Msg): void {
    if (this.#waiting >= MAX_WAITING_EVENTS) {
      this.#gap(`the watcher is ${MAX_WAITING_EVENTS} events behind, ${message.subject} is left out`);
      return;
    }
    this.#waiting += 1;
    this.#tail = this.#tail.then(async () => {
      try {
        await this.#pass(message);
      } catch (error) {
        this.#log.error({ err: error, subject: message.subject }, 'event watcher failed');
      } finally {
        this.#waiting -= 1;
      }
    });
  }

  async #pass(message: Msg): Promise<void> {
    const type = this.#reader.typeOf(message.subject);
    if (type === undefined) {
      this.#gap(`${message.subject} is no event this version knows`);
      return;
    }
    const read = await this.#reader.read(message, type, undefined);
    if (read.ok) {
      if (this.#isFirst(read.event)) await this.#options.handler(read.event as BusEvent<T>);
    } else this.#gap(`${message.subject}: ${read.code}: ${read.reason}`);
  }

  #isFirst({ id }: BusEvent): boolean {
    if (id === '') return true;
    if (this.#passed.has(id)) return false;
    this.#passed.add(id);
    const [oldest] = this.#passed;
    if (this.#passed.size > REMEMBERED_MAX && oldest !== undefined) this.#passed.delete(oldest);
    return true;
  }

  #gap(reason: string): void {
    this.#log.debug({ reason }, 'event watcher may have missed something');
    try {
      this.#options.onGap?.(reason);
    } catch (error) {
      this.#log.error({ reason: messageOf(error) }, 'event watcher failed');
    }
  }
}
