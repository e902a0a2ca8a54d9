import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { createInbox, type Msg, type NatsConnection, nanos, type Subscription } from 'nats';
import type { BusStatus } from './connection.ts';
import { statusCode } from './message-headers.ts';
import { settledWithin } from './settled-within.ts';

const PULL_EXPIRES_MS = 20_000;
const PULL_HEARTBEAT_MS = 3_000;
/** Two heartbeats missed and a little: the request is lost, ask again. */
const PULL_SILENCE_MS = 7_500;
/** The server is up but JetStream, the stream or the consumer is not there (yet). */
const NOT_READY_RETRY_MS = 200;
const NOT_READY_LOG_INTERVAL_MS = 5_000;
const DRAIN_DEADLINE_MS = 1_000;

interface PullSource {
  readonly nc: NatsConnection;
  readonly inboxPrefix: string;
  connected(): boolean;
  onStatus(listener: (status: BusStatus) => void): () => void;
  whenConnected(signal: AbortSignal): Promise<void>;
}

type Arrival = { kind: 'message'; message: Msg } | { kind: 'status'; code: number; description: string };

/**
 * Asks a durable consumer for one message at a time. A message is asked for only when somebody is free to handle it,
 * so `ack_wait` never runs while a message sits in a buffer, and a lost request costs nothing but the next one.
 * Needs publish on `$JS.API.CONSUMER.MSG.NEXT.<stream>.<durable>` and nothing else under `$JS.API`.
 */
export class PullHand {
  readonly #source: PullSource;
  readonly #subject: string;
  readonly #durable: string;
  readonly #log: Logger;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #stopped = new AbortController();
  readonly #offStatus: () => void;
  #messages: Msg[] = [];
  #arrived: ((arrival: Arrival) => void) | undefined;
  #notReadyLoggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: PullSource, stream: string, durable: string, log: Logger) {
    this.#source = source;
    this.#durable = durable;
    this.#log = log;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
    this.#inbox = createInbox(source.inboxPrefix);
    this.#subscription = source.nc.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error) this.#log.error({ err: error, inbox: this.#inbox }, 'pull inbox refused');
        else this.#receive(message);
      },
    });
    this.#offStatus = source.onStatus((status) => {
      // The request died with the connection: wake up and ask again when it is back.
      if (status.state === 'disconnected' || status.state === 'closed') this.#giveUpRequest(status.state);
    });
  }

  /** The next message, or undefined after `stop()`. */
  async next(): Promise<Msg | undefined> {
    const { signal } = this.#stopped;
    while (!signal.aborted && !this.#source.nc.isClosed()) {
      const buffered = this.#messages.shift();
      if (buffered) return buffered;
      await this.#source.whenConnected(signal);
      if (signal.aborted || !this.#source.connected()) continue;
      const arrival = await this.#request();
      if (arrival.kind === 'message') return arrival.message;
      await this.#settleStatus(arrival.code, arrival.description);
    }
    return undefined;
  }

  /** Ends the request and hands back to the stream what had already been sent to us. */
  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#offStatus();
    this.#giveUpRequest('stopping');
    if (!this.#source.nc.isClosed()) await settledWithin(this.#subscription.drain(), DRAIN_DEADLINE_MS);
    for (const message of this.#messages.splice(0)) message.respond('-NAK');
  }

  #request(): Promise<Arrival> {
    return new Promise((resolve) => {
      const settle = (arrival: Arrival) => {
        clearTimeout(silence);
        this.#arrived = undefined;
        resolve(arrival);
      };
      const silence = setTimeout(
        () => settle({ kind: 'status', code: 408, description: 'the server went silent' }),
        PULL_SILENCE_MS,
      );
      this.#arrived = (arrival) => {
        if (arrival.kind === 'status' && arrival.code === 100) silence.refresh();
        else settle(arrival);
      };
      const request = {
        batch: 1,
        expires: nanos(PULL_EXPIRES_MS),
        idle_heartbeat: nanos(PULL_HEARTBEAT_MS),
      };
      try {
        this.#source.nc.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
      } catch (error) {
        settle({ kind: 'status', code: 503, description: messageOf(error) });
      }
    });
  }

  /** Runs in the read loop of the connection: must not throw. */
  #receive(message: Msg): void {
    // The server keeps the stream subject on messages; what comes on the inbox itself is a status.
    const arrival: Arrival =
      message.subject === this.#inbox
        ? { kind: 'status', ...statusCode(message) }
        : { kind: 'message', message };
    if (this.#arrived) this.#arrived(arrival);
    else if (arrival.kind === 'message') this.#messages.push(arrival.message);
  }

  #giveUpRequest(description: string): void {
    this.#arrived?.({ kind: 'status', code: 0, description });
  }

  async #settleStatus(code: number, description: string): Promise<void> {
    // 404 no messages, 408 the request expired: the normal end of a quiet request.
    if (code === 0 || code === 404 || code === 408) return;
    const now = performance.now();
    if (now - this.#notReadyLoggedAtMs >= NOT_READY_LOG_INTERVAL_MS) {
      this.#notReadyLoggedAtMs = now;
      const reason =
        code === 503 ? 'JetStream or the consumer is not there; apply the stream manifest' : description;
      this.#log.warn({ durable: this.#durable, code, reason }, 'consumer is not ready, asking again');
    }
    await pause(NOT_READY_RETRY_MS, this.#stopped.signal);
  }
}
