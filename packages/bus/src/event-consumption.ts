import type { EventType } from '@salvor/contracts';
import { childTraceparent, inTrace, type Logger, messageOf, pause } from '@salvor/service-kit';
import type { Msg } from 'nats';
import type { BusMeter, EventOutcome } from './bus-meter.ts';
import type { Connection } from './connection.ts';
import type { DeadLetterOffice } from './dead-letter.ts';
import { type Delivery, parseDelivery } from './delivery.ts';
import type { BusEvent, EventReader } from './event-reader.ts';
import { RejectEvent, RetryLater } from './handler-verdicts.ts';
import { readHeaders } from './message-headers.ts';
import { PullHand } from './pull-hand.ts';
import { settledWithin } from './settled-within.ts';

export const DEFAULT_MAX_DELIVER = 5;
export const DEFAULT_BACKOFF_MS: readonly number[] = [250, 1_000, 4_000, 10_000];
export const DEFAULT_CONCURRENCY = 4;
export const DEFAULT_HANDLER_TIMEOUT_MS = 60_000;
/** Deliveries that ended without a word (the process died each time) before the message is given up. */
const SILENT_DELIVERIES_FACTOR = 4;
/** Events handled here lately: a redelivery of one of them is only acknowledged again. */
const REMEMBERED_EVENTS = 4_096;
/** Wait of a handler's `RetryLater` that names none. */
const RETRY_LATER_MS = 1_000;

export interface ConsumeOptions<T extends EventType> {
  /** Name of a durable consumer of the stream manifest. */
  durable: string;
  stream: string;
  types: readonly T[];
  handler: (event: BusEvent<T>, context: { signal: AbortSignal }) => Promise<void>;
  maxDeliver: number;
  backoffMs: readonly number[];
  concurrency: number;
  handlerTimeoutMs: number;
  ackWaitMs: number;
}

interface ConsumptionParts {
  connection: Connection;
  deadLetters: DeadLetterOffice;
  reader: EventReader;
  log: Logger;
  meter: BusMeter;
}

/** One delivered message, from arrival to its answer. */
interface Task {
  readonly message: Msg;
  readonly delivery: Delivery;
  /** Aborted when nobody waits for the handler any more. */
  readonly abort: AbortController;
}

/**
 * Handles the messages of one durable consumer, each until it is done: acknowledged, given back for later, or stored
 * as a dead letter. At least once: a handler must bear the same event again after a crash.
 */
export class EventConsumption<T extends EventType> {
  readonly #options: ConsumeOptions<T>;
  readonly #parts: ConsumptionParts;
  readonly #types: ReadonlySet<string>;
  readonly #hands: PullHand[];
  readonly #loops: Promise<void>[];
  readonly #atWork = new Map<number, Task>();
  readonly #handled = new Set<string>();
  readonly #stopping = new AbortController();

  constructor(options: ConsumeOptions<T>, parts: ConsumptionParts) {
    this.#options = options;
    this.#parts = parts;
    this.#types = new Set(options.types);
    const { stream, durable } = options;
    this.#hands = Array.from(
      { length: options.concurrency },
      () => new PullHand(parts.connection, stream, durable, parts.log),
    );
    this.#loops = this.#hands.map((hand) => this.#work(hand));
  }

  /** Messages in a handler now. */
  inFlight(): number {
    return this.#atWork.size;
  }

  /**
   * Takes no more messages, waits for handlers at work until the deadline, then aborts their signal and gives their
   * messages back to the stream.
   */
  async stop(deadlineMs = 5_000): Promise<void> {
    this.#stopping.abort();
    const ended = Promise.all([...this.#hands.map((hand) => hand.stop()), ...this.#loops]);
    if (await settledWithin(ended, deadlineMs)) return;
    for (const [seq, task] of this.#atWork) {
      task.abort.abort();
      task.message.respond('-NAK');
      this.#parts.log.warn(
        { durable: this.#options.durable, seq },
        'handler did not end in time, message given back',
      );
    }
    this.#atWork.clear();
  }

  async #work(hand: PullHand): Promise<void> {
    for (let message = await hand.next(); message !== undefined; message = await hand.next()) {
      try {
        await this.#take(message);
      } catch (error) {
        this.#parts.log.error({ err: error, durable: this.#options.durable }, 'message could not be settled');
      }
    }
  }

  async #take(message: Msg): Promise<void> {
    const delivery = parseDelivery(message.reply);
    if (!delivery) {
      this.#parts.log.warn({ subject: message.subject }, 'message did not come from a consumer, ignored');
      return;
    }
    const { streamSeq } = delivery;
    // Redelivered while a slow handler still has it: that one will acknowledge.
    if (this.#atWork.has(streamSeq)) return;
    const task = { message, delivery, abort: new AbortController() };
    this.#atWork.set(streamSeq, task);
    const pulse = setInterval(() => message.respond('+WPI'), this.#options.ackWaitMs / 3);
    try {
      await this.#settle(task);
    } finally {
      clearInterval(pulse);
      this.#atWork.delete(streamSeq);
    }
  }

  async #settle(task: Task): Promise<void> {
    const { message, delivery } = task;
    const { reader, log } = this.#parts;
    const { durable, maxDeliver } = this.#options;
    const type = reader.typeOf(message.subject);
    if (type === undefined || !this.#types.has(type)) return this.#answer(task, '+ACK');

    const read = await reader.read(message, type, delivery);
    const ended = (outcome: EventOutcome): void => this.#parts.meter.took(type, outcome);
    if (!read.ok) {
      ended('dead-letter');
      return this.#bury(task, read.code, read.reason);
    }
    const event = read.event as BusEvent<T>;
    if (this.#handled.has(event.id)) return this.#answer(task, '+ACK');
    if (delivery.deliveries > maxDeliver * SILENT_DELIVERIES_FACTOR) {
      const reason = `delivered ${delivery.deliveries} times and never settled: does handling it end the process?`;
      ended('dead-letter');
      return this.#bury(task, 'never-settled', reason);
    }

    const failure = await this.#handle(event, task);
    // Given back when the consumption stopped: being interrupted is no failure of the event.
    if (!this.#atWork.has(delivery.streamSeq)) return;
    if (failure === undefined) {
      this.#remember(event.id);
      ended('handled');
      return this.#answer(task, '+ACK');
    }
    if (failure instanceof RetryLater) {
      ended('held');
      return this.#answer(task, '-NAK');
    }
    const reason = messageOf(failure);
    const isGivenUp = failure instanceof RejectEvent || delivery.deliveries >= maxDeliver;
    ended(isGivenUp ? 'dead-letter' : 'retried');
    if (failure instanceof RejectEvent) return this.#bury(task, 'rejected', reason);
    if (isGivenUp) {
      const tried = `failed ${delivery.deliveries} times, at last: ${reason}`;
      return this.#bury(task, 'handler-failed', tried);
    }
    const delayMs = this.#backoffMs(delivery.deliveries);
    log.warn(
      { err: failure, durable, type, seq: delivery.streamSeq, deliveries: delivery.deliveries, delayMs },
      'event handler failed, event will come again',
    );
    return this.#answer(task, `-NAK ${JSON.stringify({ delay: delayMs * 1e6 })}`);
  }

  /** Calls the handler until it ends with anything but RetryLater. @returns the failure, undefined when it went well */
  async #handle(event: BusEvent<T>, task: Task): Promise<unknown> {
    for (;;) {
      const failure = await this.#handleOnce(event, task);
      if (!(failure instanceof RetryLater) || this.#stopping.signal.aborted) return failure;
      const { durable } = this.#options;
      const delayMs = failure.delayMs ?? RETRY_LATER_MS;
      const { type, id } = event;
      this.#parts.log.warn(
        { durable, type, id, delayMs, reason: failure.message },
        'event is held for later',
      );
      await pause(delayMs, this.#stopping.signal);
    }
  }

  async #handleOnce(event: BusEvent<T>, task: Task): Promise<unknown> {
    const { handler, handlerTimeoutMs } = this.#options;
    const { signal } = task.abort;
    // Wrapped so that a handler that throws before its first await is a failure like any other.
    const work = inTrace(childTraceparent(event.traceparent), async () => handler(event, { signal })).then(
      () => undefined,
      (error: unknown) => error ?? new Error('the handler rejected without a reason'),
    );
    if (await settledWithin(work, handlerTimeoutMs, signal)) return work;
    task.abort.abort();
    return new Error(`the handler did not end within ${handlerTimeoutMs} ms`);
  }

  async #bury(task: Task, code: string, reason: string): Promise<void> {
    const { message } = task;
    const { stream, consumer, streamSeq: seq, deliveries } = task.delivery;
    const headers = readHeaders(message);
    await this.#parts.deadLetters.send({
      source: `${stream}.${consumer}`,
      data: message.data,
      ...(headers ? { headers } : {}),
      code,
      reason,
      id: `dlq:${stream}:${consumer}:${seq}`,
      origin: { subject: message.subject, stream, seq, deliveries },
    });
    await this.#answer(task, '+TERM');
  }

  /**
   * An answer sent while disconnected is lost and the message comes again, so wait for the connection. The stream
   * accepts the answer after a restart; if it does not, `#handled` keeps the handler from seeing the event twice.
   */
  async #answer(task: Task, answer: string): Promise<void> {
    const { connection } = this.#parts;
    if (!connection.connected()) await connection.whenConnected(AbortSignal.timeout(this.#options.ackWaitMs));
    // Given back already when the consumption was stopped meanwhile.
    if (connection.connected() && this.#atWork.has(task.delivery.streamSeq)) task.message.respond(answer);
  }

  #backoffMs(deliveries: number): number {
    const { backoffMs } = this.#options;
    return backoffMs[Math.min(deliveries, backoffMs.length) - 1] ?? 0;
  }

  #remember(id: string): void {
    this.#handled.add(id);
    if (this.#handled.size > REMEMBERED_EVENTS) {
      const oldest = this.#handled.values().next().value;
      if (oldest !== undefined) this.#handled.delete(oldest);
    }
  }
}
