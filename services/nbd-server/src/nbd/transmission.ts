import type { Socket } from 'node:net';
import { type BlockDevice, wireFailure } from './block-device.ts';
import { maxStatusBytes } from './block-status.ts';
import { command, errno } from './constants.ts';
import { countRequest, type DeviceAnswer, runOnDevice, timedAs, wrongLength } from './device-calls.ts';
import type { BudgetHolder, InFlightBudget } from './in-flight-budget.ts';
import type { NbdLimits } from './limits.ts';
import { simpleReplies, structuredReplies } from './replies.ts';
import { ReplyQueue, type ReplyQueueOwner } from './reply-queue.ts';
import { refusalMessage, refusalOf } from './request-rules.ts';
import { type Payload, ProtocolViolation, type Request, RequestReader } from './requests.ts';
import type { Session } from './session.ts';
import type { SlabPool } from './slabs.ts';
import type { NbdLog, NbdTraffic } from './traffic.ts';

export interface TransmissionOwner {
  /** There is room for requests again. */
  resumeReading(): void;
  /** No request will be taken any more; those outstanding are being finished. */
  ending(reason: string): void;
  /** Every outstanding request is answered and its reply is with the kernel. */
  finished(reason: string): void;
  /** The socket is gone and the device has settled the last request. */
  idle(): void;
  destroy(reason: string): void;
}

export interface TransmissionParts {
  socket: Socket;
  device: BlockDevice;
  session: Session;
  pool: SlabPool;
  budget: InFlightBudget;
  limits: NbdLimits;
  traffic: NbdTraffic;
  log: NbdLog;
}

const failureLogIntervalMs = 5_000;
/** A connection with no more requests in flight may be about to fall idle: it gets no receive memory of its own. */
const quietRequests = 1;

/**
 * The transmission phase of one client: requests to the device, replies in whatever order the device settles them.
 * Requests are taken only within the bounds of the connection and of the server; beyond, reading stops.
 */
export class Transmission implements BudgetHolder, ReplyQueueOwner {
  readonly #parts: TransmissionParts;
  readonly #owner: TransmissionOwner;
  readonly #reader: RequestReader;
  readonly #replies: ReplyQueue;
  /** Requests taken whose reply is not with the kernel yet, and their payload bytes. */
  #inFlight = 0;
  #inFlightBytes = 0;
  #executing = 0;
  /** A WRITE that was admitted and whose payload is still arriving. */
  #receiving: { bytes: number; sinceMs: number } | undefined;
  #reservedBytes = 0;
  #blocked = false;
  #ending: string | undefined;
  #shuttingDown = false;
  #finished = false;
  #gone = false;
  #failures = 0;
  #failuresLoggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: TransmissionParts, owner: TransmissionOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#reader = new RequestReader(parts.pool);
    const form = parts.session.structuredReplies ? structuredReplies : simpleReplies;
    this.#replies = new ReplyQueue(parts.socket, parts.pool, form, this);
    parts.budget.join(this);
  }

  get requestsInFlight(): number {
    return this.#inFlight;
  }

  room(): Buffer {
    return this.#reader.room(this.#inFlight <= quietRequests);
  }

  /** False: stop reading until `resumeReading`. */
  filled(bytes: number): boolean {
    this.#reader.filled(bytes);
    this.#pump();
    this.#reader.keep();
    return !this.#blocked && this.#ending === undefined;
  }

  /** Bytes received into another buffer than `room()`; the same answer as `filled`. */
  push(bytes: Buffer): boolean {
    this.#reader.push(bytes);
    return this.filled(0);
  }

  /** Takes no further request, answers those that were taken, then reports `finished`. */
  finish(reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    if (this.#receiving !== undefined) {
      this.#inFlight -= 1;
      this.#giveBack(this.#receiving.bytes);
      this.#receiving = undefined;
    }
    this.#owner.ending(reason);
    this.#reportFinished();
  }

  /** Answers new requests with ESHUTDOWN until the outstanding ones are answered, then reports `finished`. */
  shutdown(): void {
    this.#shuttingDown = true;
    this.#unblock();
    this.#reportFinished();
  }

  /** The socket closed. Requests with the device run on; `idle` is reported after the last. */
  socketGone(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.finish('connection closed');
    this.#replies.abandon();
    this.#reader.close();
    this.#parts.budget.leave(this);
    this.#reportIdle();
  }

  granted(bytes: number): void {
    this.#reservedBytes = bytes;
    this.#unblock();
    // The request that waited may have been refused meanwhile, by a shutdown; then its bytes are not needed.
    this.#parts.budget.give(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  stalledForMs(nowMs: number): number {
    const sinceMs = Math.min(this.#receiving?.sinceMs ?? nowMs, this.#replies.sendingSinceMs ?? nowMs);
    return nowMs - sinceMs;
  }

  cut(reason: string): void {
    this.#owner.destroy(reason);
  }

  sent(replies: number, heldBytes: number): void {
    this.#inFlight -= replies;
    this.#giveBack(heldBytes);
    this.#unblock();
    this.#reportFinished();
  }

  recycle(data: Buffer): void {
    this.#parts.device.recycle?.(data);
  }

  #unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#pump();
    if (!this.#blocked && this.#ending === undefined) this.#owner.resumeReading();
  }

  /** Takes every request that is complete and fits the bounds. */
  #pump(): void {
    try {
      while (this.#ending === undefined && !this.#blocked && this.#takeRequest());
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.finish(error.message);
    }
  }

  #takeRequest(): boolean {
    const request = this.#reader.head();
    if (request === undefined) return false;
    if (!this.#reader.admitted) {
      if (request.type === command.disconnect) {
        this.finish('client disconnected');
        return false;
      }
      const refusal = this.#refusalOf(request);
      if (!this.#fits(refusal === 0 ? heldBytes(request) : 0)) {
        this.#blocked = true;
        return false;
      }
      if (refusal !== 0) {
        this.#refuse(request, refusal);
        return true;
      }
      this.#reader.admit();
      this.#inFlight += 1;
    }
    return request.type === command.write ? this.#takeWrite(request) : this.#takeOther(request);
  }

  #takeWrite(request: Request): boolean {
    const payload = this.#reader.payload();
    if (payload === undefined) {
      this.#receiving ??= { bytes: request.lengthBytes, sinceMs: performance.now() };
      return false;
    }
    this.#receiving = undefined;
    this.#execute(request, payload);
    return true;
  }

  #takeOther(request: Request): boolean {
    this.#reader.consume();
    this.#execute(request, undefined);
    return true;
  }

  #refusalOf(request: Request): number {
    const refusal = refusalOf(request, this.#parts.device, this.#parts.session);
    return this.#shuttingDown ? errno.eshutdown : refusal;
  }

  #refuse(request: Request, errorNumber: number): void {
    if (request.type === command.write) this.#reader.discardPayload();
    else this.#reader.consume();
    this.#parts.traffic.refusedRequests += 1;
    this.#inFlight += 1;
    this.#replies.error(request, errorNumber, refusalMessage(errorNumber));
  }

  /** Whether one more request with this payload may be in flight; if so, the bytes of the budget are taken. */
  #fits(bytes: number): boolean {
    const { limits, budget } = this.#parts;
    if (this.#inFlight >= limits.maxRequestsPerConnection) return false;
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > limits.maxBytesPerConnection) return false;
    if (bytes > 0 && this.#reservedBytes === bytes) this.#reservedBytes = 0;
    // A device that hangs may hold the whole budget; the clients of the others must not notice.
    else if (this.#inFlightBytes + bytes <= limits.guaranteedBytesPerConnection) budget.takeGuaranteed(bytes);
    else if (!budget.take(this, bytes)) return false;
    this.#inFlightBytes += bytes;
    return true;
  }

  #giveBack(bytes: number): void {
    this.#inFlightBytes -= bytes;
    this.#parts.budget.give(bytes);
  }

  #execute(request: Request, payload: Payload | undefined): void {
    if (needsNoDevice(request)) {
      if (payload !== undefined) this.#reader.release(payload);
      countRequest(this.#parts.traffic, request);
      this.#replies.done(request);
      return;
    }
    this.#executing += 1;
    const takenAtMs = performance.now();
    runOnDevice(this.#parts.device, request, payload?.data).then(
      (data) => this.#settled(request, takenAtMs, payload, data, undefined),
      (error: unknown) =>
        this.#settled(request, takenAtMs, payload, undefined, error ?? new Error('no reason given')),
    );
  }

  #settled(
    request: Request,
    takenAtMs: number,
    payload: Payload | undefined,
    answer: DeviceAnswer,
    error: unknown,
  ): void {
    this.#executing -= 1;
    this.#parts.traffic.durations[timedAs(request)].add((performance.now() - takenAtMs) / 1_000);
    if (payload !== undefined) {
      this.#reader.release(payload);
      this.#giveBack(request.lengthBytes);
    }
    const failure = error ?? wrongLength(request, answer);
    if (failure !== undefined) this.#noteFailure(request, failure);
    else countRequest(this.#parts.traffic, request);
    if (this.#gone) {
      if (answer && request.type === command.read) this.recycle(answer);
      this.sent(1, owedBytes(request));
      this.#reportIdle();
    } else if (failure !== undefined) {
      this.#giveBack(owedBytes(request));
      const { errorNumber, message } = wireFailure(failure);
      this.#replies.error(request, errorNumber, message);
    } else this.#reply(request, answer);
    this.#unblock();
  }

  #reply(request: Request, answer: DeviceAnswer): void {
    const { type } = request;
    if (type === command.read && answer) this.#replies.data(request, answer);
    else if (type === command.read) this.#replies.hole(request);
    else if (type === command.blockStatus && answer)
      this.#replies.status(request, answer, owedBytes(request));
    else this.#replies.done(request);
  }

  /** One log line per interval, however many requests fail: a dead engine fails thousands a second. */
  #noteFailure(request: Request, error: unknown): void {
    this.#parts.traffic.failedRequests += 1;
    this.#failures += 1;
    const nowMs = performance.now();
    if (nowMs - this.#failuresLoggedAtMs < failureLogIntervalMs) return;
    this.#failuresLoggedAtMs = nowMs;
    const { type, offsetBytes, lengthBytes } = request;
    const fields = { error: String(error), type, offsetBytes, lengthBytes, failures: this.#failures };
    this.#parts.log.warn(fields, 'nbd requests failed');
    this.#failures = 0;
  }

  #reportFinished(): void {
    const reason = this.#ending ?? (this.#shuttingDown ? 'server is shutting down' : undefined);
    if (reason === undefined || this.#inFlight > 0 || this.#finished || this.#gone) return;
    this.#ending = reason;
    this.#finished = true;
    this.#owner.finished(reason);
  }

  #reportIdle(): void {
    if (this.#gone && this.#executing === 0) this.#owner.idle();
  }
}

/** The bytes a request holds while it is in flight. */
function heldBytes(request: Request): number {
  return request.type === command.write ? request.lengthBytes : owedBytes(request);
}

/** Of these, the bytes it holds until its reply is with the kernel. */
function owedBytes({ type, lengthBytes }: Request): number {
  if (type === command.read) return lengthBytes;
  return type === command.blockStatus ? maxStatusBytes : 0;
}

/** There is nothing in front of the engines that CACHE could warm up. */
function needsNoDevice({ type, lengthBytes }: Request): boolean {
  return type === command.cache || (lengthBytes === 0 && type !== command.flush);
}
