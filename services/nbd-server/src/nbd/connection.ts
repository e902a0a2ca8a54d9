import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { describeOpen, ExportError, type Exports, type OpenExport } from './block-device.ts';
import { ExportUse } from './export-use.ts';
import { Handshake, type HandshakeAction } from './handshake.ts';
import type { InFlightBudget } from './in-flight-budget.ts';
import type { NbdLimits } from './limits.ts';
import { greeting } from './option-replies.ts';
import type { Session } from './session.ts';
import type { SlabPool } from './slabs.ts';
import { type ByteSink, takeIn, takeInByCopy } from './socket-intake.ts';
import type { TlsMode } from './tls-settings.ts';
import { startTls } from './tls-upgrade.ts';
import type { NbdLog, NbdTraffic } from './traffic.ts';
import { Transmission, type TransmissionOwner } from './transmission.ts';

/** What all connections of a server share. */
export interface ConnectionContext {
  exports: Exports;
  limits: NbdLimits;
  pool: SlabPool;
  budget: InFlightBudget;
  traffic: NbdTraffic;
  log: NbdLog;
  directIntake: boolean;
  /** Undefined: TLS is not offered. */
  tls: TlsOptions | undefined;
}

export interface ConnectionStatus {
  peer: string;
  /** The export in use; undefined during the handshake. */
  export: string | undefined;
  requestsInFlight: number;
}

type Question = Extract<HandshakeAction, { kind: 'list' | 'describe' | 'open' }>;

type Phase =
  | { name: 'handshake'; handshake: Handshake; asking: boolean }
  | { name: 'transmission'; transmission: Transmission }
  /** What still arrives is dropped. */
  | { name: 'closing' };

/** Where bytes go before the transmission phase: shared by all connections, for they are copied at once. */
const handshakeRoom = Buffer.allocUnsafeSlow(16 * 1024);

/** One client from accept to close: its socket, its deadlines, and the phase it is in. */
export class Connection implements ByteSink, TransmissionOwner {
  readonly peer: string;
  /** Settles when the socket is closed, the device has settled the last request and the export is closed. */
  readonly closed: Promise<void>;
  readonly #context: ConnectionContext;
  /** Replaced when TLS starts. */
  #socket: Socket;
  readonly #settleClosed: () => void;
  #phase: Phase;
  #lastRoom: Buffer = handshakeRoom;
  #handshakeLeftMs: number;
  #handshakeResumedAtMs = 0;
  #deadline: NodeJS.Timeout | undefined;
  readonly #exports: ExportUse;
  #transmission: Transmission | undefined;
  #isGone = false;
  #asked: Promise<void> = Promise.resolve();

  constructor(accepted: Socket, peer: string, context: ConnectionContext, tls: TlsMode) {
    this.peer = peer;
    this.#context = context;
    const { promise, resolve } = settleable();
    this.closed = promise;
    this.#settleClosed = resolve;
    this.#exports = new ExportUse(context.exports, context.limits.exportTimeoutMs, context.log);
    this.#handshakeLeftMs = context.limits.handshakeTimeoutMs;
    this.#phase = { name: 'handshake', handshake: new Handshake(context.limits, tls), asking: false };
    this.#socket = takeIn(accepted, this, context.directIntake);
    this.#watch(this.#socket);
    this.#socket.on('close', () => this.#socketGone());
    this.#socket.write(greeting());
    this.#startHandshakeClock();
  }

  get inHandshake(): boolean {
    return this.#phase.name === 'handshake';
  }

  status(): ConnectionStatus {
    const requestsInFlight = this.#transmission?.requestsInFlight ?? 0;
    return { peer: this.peer, export: this.#exports.opened?.name, requestsInFlight };
  }

  /** Refuses new requests with ESHUTDOWN, answers those in flight, then closes. */
  shutdown(): void {
    switch (this.#phase.name) {
      case 'handshake':
        this.#end('server is shutting down');
        break;
      case 'transmission':
        this.#setDeadline(this.#context.limits.drainTimeoutMs, 'requests did not finish before the shutdown');
        this.#phase.transmission.shutdown();
        break;
      case 'closing':
        break;
    }
  }

  destroy(reason: string): void {
    if (!this.#isGone) this.#context.log.info({ ...this.status(), reason }, 'nbd connection cut');
    this.#socket.destroy();
  }

  room(): Buffer {
    this.#lastRoom = this.#phase.name === 'transmission' ? this.#phase.transmission.room() : handshakeRoom;
    return this.#lastRoom;
  }

  filled(bytes: number): boolean {
    const phase = this.#phase;
    switch (phase.name) {
      case 'handshake':
        this.#act(phase.handshake.receive(Buffer.from(handshakeRoom.subarray(0, bytes))));
        return !this.#isAsking;
      case 'transmission':
        return this.#received(phase.transmission, bytes) || this.#isClosing;
      case 'closing':
        return true;
    }
  }

  #received(transmission: Transmission, bytes: number): boolean {
    if (this.#lastRoom !== handshakeRoom) return transmission.filled(bytes);
    // The socket still held the room it got before the handshake ended.
    return transmission.push(handshakeRoom.subarray(0, bytes));
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  ending(reason: string): void {
    if (!this.#isGone)
      this.#setDeadline(this.#context.limits.drainTimeoutMs, `${reason}; requests did not finish`);
  }

  finished(reason: string): void {
    this.#end(reason);
  }

  idle(): void {
    this.#closeExport();
  }

  /** Once closing, what still arrives must be read and dropped, or the end of the stream would go unseen. */
  get #isClosing(): boolean {
    return this.#phase.name === 'closing';
  }

  get #isAsking(): boolean {
    return this.#phase.name === 'handshake' && this.#phase.asking;
  }

  #act(actions: readonly HandshakeAction[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'send':
          this.#socket.write(action.bytes);
          break;
        case 'start-tls':
          this.#startTls();
          break;
        case 'transmit':
          this.#transmit(action.rest, action.session);
          break;
        case 'close':
          if (action.isFailure) this.#context.traffic.failedHandshakes += 1;
          this.#end(action.reason);
          break;
        case 'list':
        case 'describe':
        case 'open':
          this.#ask(action);
          break;
      }
    }
  }

  #watch(socket: Socket): void {
    socket.on('error', (error) =>
      this.#context.log.debug({ peer: this.peer, error: error.message }, 'nbd socket failed'),
    );
    socket.on('end', () => this.#clientEnded());
  }

  /** The clock of the handshake runs on. The plain socket closes with the secured one, so it still tells the end. */
  #startTls(): void {
    const phase = this.#phase;
    const { tls, limits, traffic, log } = this.#context;
    if (phase.name !== 'handshake' || tls === undefined) throw new Error('TLS was not offered');
    startTls(this.#socket, tls, limits.handshakeTimeoutMs).then(
      (secured) => {
        this.#watch(secured);
        this.#socket = secured;
        if (this.#phase !== phase || this.#isGone) return this.destroy('closed while TLS started');
        log.debug({ peer: this.peer, protocol: secured.getProtocol() }, 'nbd client secured');
        phase.handshake.secured();
        takeInByCopy(secured, this);
      },
      (error: unknown) => {
        traffic.failedHandshakes += 1;
        this.destroy(`TLS failed: ${String(error)}`);
      },
    );
  }

  /** Reading stops until the question is answered, so a client cannot pile up questions. */
  #ask(question: Question): void {
    const phase = this.#phase;
    if (phase.name !== 'handshake') return;
    phase.asking = true;
    this.#asked = this.#answer(question, phase.handshake)
      .then((actions) => {
        if (this.#phase !== phase || this.#isGone) return;
        phase.asking = false;
        this.#startHandshakeClock();
        this.#act(actions);
        if (!this.#isAsking) this.#socket.resume();
      })
      .catch((error: unknown) => this.destroy(`handshake failed: ${String(error)}`));
  }

  async #answer(question: Question, handshake: Handshake): Promise<HandshakeAction[]> {
    const { log } = this.#context;
    await this.#drained(); // on the client's clock: who does not read its replies gets no further ones
    if (!this.inHandshake) return [];
    this.#stopHandshakeClock();
    try {
      switch (question.kind) {
        case 'list':
          return handshake.listed(await this.#exports.list());
        case 'describe':
          return handshake.described(await this.#exports.describe(question.name));
        case 'open':
          return handshake.opened(describeOpen(await this.#open(question.name)));
      }
    } catch (error) {
      if (!(error instanceof ExportError)) {
        log.warn(
          { peer: this.peer, question: question.kind, error: String(error) },
          'nbd export not available',
        );
      }
      this.#closeExport();
      return handshake.refused(error);
    }
  }

  async #open(name: string): Promise<OpenExport> {
    const handle = await this.#exports.open(name);
    if (this.#phase.name !== 'handshake' || this.#isGone) {
      throw new ExportError('shutdown', 'the connection closed while its export opened');
    }
    return handle;
  }

  #drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain || this.#isGone) return Promise.resolve();
    const { promise, resolve } = settleable();
    const settle = () => {
      this.#socket.off('drain', settle).off('close', settle);
      resolve();
    };
    this.#socket.on('drain', settle).on('close', settle);
    return promise;
  }

  #transmit(rest: Buffer, session: Session): void {
    const { opened } = this.#exports;
    if (opened === undefined) throw new Error('transmission without an open export');
    this.#stopHandshakeClock();
    const { pool, budget, limits, traffic, log } = this.#context;
    const { name, handle } = opened;
    const parts = { socket: this.#socket, device: handle.device, session };
    const transmission = new Transmission({ ...parts, pool, budget, limits, traffic, log }, this);
    this.#transmission = transmission;
    this.#phase = { name: 'transmission', transmission };
    log.info({ peer: this.peer, export: name }, 'nbd client connected');
    // A bound that is reached here stops the reading at the next bytes.
    if (rest.length > 0) transmission.push(rest);
  }

  #clientEnded(): void {
    const phase = this.#phase;
    if (phase.name === 'transmission') phase.transmission.finish('client closed its end');
    else this.#socket.destroy();
  }

  /** Sends what is queued and our end of stream, then gives the client a moment to close, so that nothing is lost. */
  #end(reason: string): void {
    if (this.#phase.name === 'closing') return;
    this.#context.log.info({ ...this.status(), reason }, 'nbd connection ends');
    this.#phase = { name: 'closing' };
    this.#setDeadline(this.#context.limits.lingerTimeoutMs, undefined);
    this.#socket.end();
    this.#socket.resume();
  }

  #socketGone(): void {
    this.#isGone = true;
    clearTimeout(this.#deadline);
    this.#phase = { name: 'closing' };
    if (this.#transmission !== undefined) this.#transmission.socketGone();
    else void this.#asked.then(() => this.#closeExport()); // an export may be opening: it is closed in turn
  }

  /** Closes the export if there is one, and settles `closed` when the connection is over. */
  #closeExport(): void {
    const closing = this.#exports.close();
    if (this.#isGone) closing.then(this.#settleClosed, this.#settleClosed);
  }

  #startHandshakeClock(): void {
    this.#handshakeResumedAtMs = performance.now();
    this.#setDeadline(this.#handshakeLeftMs, 'handshake took too long');
  }

  #stopHandshakeClock(): void {
    clearTimeout(this.#deadline);
    this.#handshakeLeftMs -= performance.now() - this.#handshakeResumedAtMs;
  }

  #setDeadline(timeoutMs: number, reason: string | undefined): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => (reason === undefined ? this.#socket.destroy() : this.destroy(reason)),
      timeoutMs,
    ).unref();
  }
}

function settleable(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
