import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { createInbox, type Msg, type NatsConnection, nanos, type Subscription } from 'nats';
import type { BusStatus } from './connection.ts';
import { statusCode } from './message-headers.ts';
import { settledWithin } from './settled-within.ts';

interface Patience {
  expiresMs: number;
  heartbeatMs: number;
  /** Two heartbeats missed and a little: the request is lost, ask again. */
  silenceMs: number;
}

/**
 * A request for a consumer that is not there is not answered at all by servers before 2.10, nor is one that comes
 * while a restarted server still reads its streams. So the first request after a doubt is a short one.
 */
const PROBING: Patience = { expiresMs: 1_000, heartbeatMs: 250, silenceMs: 700 };
const CALM: Patience = { expiresMs: 20_000, heartbeatMs: 2_000, silenceMs: 5_000 };
const SILENT = 'the server does not answer: is the consumer there? apply the stream manifest';
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

/** Codes of our own beside the server's. */
const GIVEN_UP = 0;
const NO_ANSWER = -1;

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
  #patience = PROBING;
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
    const { expiresMs, heartbeatMs, silenceMs } = this.#patience;
    return new Promise((resolve) => {
      const settle = (arrival: Arrival, next: Patience) => {
        clearTimeout(silence);
        this.#arrived = undefined;
        this.#patience = next;
        resolve(arrival);
      };
      const silence = setTimeout(() => {
        settle({ kind: 'status', code: NO_ANSWER, description: SILENT }, PROBING);
      }, silenceMs);
      this.#arrived = (arrival) => {
        if (arrival.kind === 'status' && arrival.code === 100) silence.refresh();
        else settle(arrival, isNormal(arrival) ? CALM : PROBING);
      };
      const request = { batch: 1, expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) };
      try {
        this.#source.nc.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
      } catch (error) {
        settle({ kind: 'status', code: NO_ANSWER, description: messageOf(error) }, PROBING);
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
    this.#arrived?.({ kind: 'status', code: GIVEN_UP, description });
  }

  async #settleStatus(code: number, description: string): Promise<void> {
    if (code === GIVEN_UP || isQuietEnd(code)) return;
    const now = performance.now();
    if (now - this.#notReadyLoggedAtMs >= NOT_READY_LOG_INTERVAL_MS) {
      this.#notReadyLoggedAtMs = now;
      const reason = code === 503 ? 'JetStream is not ready' : description;
      this.#log.warn({ durable: this.#durable, code, reason }, 'consumer is not ready, asking again');
    }
    await pause(NOT_READY_RETRY_MS, this.#stopped.signal);
  }
}

/** 404 no messages, 408 the request expired: the normal end of a quiet request. */
function isQuietEnd(code: number): boolean {
  return code === 404 || code === 408;
}

function isNormal(arrival: Arrival): boolean {
  return arrival.kind === 'message' || isQuietEnd(arrival.code);
}
