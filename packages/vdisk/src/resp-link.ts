import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { cutBehindHandshake, type EnginePlace, openSocket, unreachable } from './engine-socket.ts';
import { EngineError, refusesLogin } from './errors.ts';
import { type Exchange, ValueExchange } from './exchange.ts';
import { Frame, RespError, RespProtocolError, type RespValue } from './resp.ts';
import { type ReplySink, type ReplyTaker, RespReader } from './resp-reader.ts';
import { callAtTurnEnd, type TurnEnd } from './turn.ts';

export interface LinkOptions extends EnginePlace {
  readonly db: number;
  /** An engine that owes replies and sends nothing for so long counts as hung: the link ends. */
  readonly commandTimeoutMs: number;
  /** Shown by CLIENT LIST; tells one owner's links from another's. */
  readonly clientName: string;
}

/**
 * How often a link looks for replies that are overdue, in milliseconds. Waiting time is counted in these checks, not by the
 * clock: a process that was stopped for a while finds its replies in the socket, and must not blame the engine.
 */
const OVERDUE_CHECK_MS = 25;
/**
 * A single reply that takes so many times the command timeout ends the link all the same, though others still come: an
 * engine as slow as that is of no use.
 */
const SLOWEST_REPLY_TIMEOUTS = 10;
/** A link without requests for so many checks stops looking. */
const IDLE_CHECKS = 40;
/** A reply that takes longer makes the link look whether the engine still listens, in milliseconds. */
const SUSPECT_AFTER_MS = 50;
/** Exchanges that are over are forgotten in batches of so many. */
const FORGET_AT = 256;

/**
 * One connection to a storage engine that speaks RESP2. Pipelined; replies come in the order of the requests.
 * It never reconnects: whoever owns it decides what a broken link means.
 */
export class RespLink implements ReplyTaker, TurnEnd {
  readonly address: string;
  /** Called once, when the link is gone for whatever reason. */
  onClose: (error: EngineError) => void = () => {};
  readonly #socket: Socket;
  readonly #options: LinkOptions;
  /** Those from `#first` on are waiting for replies. */
  #exchanges: Exchange[] = [];
  #first = 0;
  #out: Buffer[] = [];
  #overdue: NodeJS.Timeout | null = null;
  #broken: EngineError | null = null;
  #suspected = false;
  #checks = 0;
  /** Number of the check before which bytes came last. */
  #heardBefore = 0;
  #begun = 0;
  #idleChecks = 0;

  private constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.address = options.address;
    socket.on('error', (error) => this.#fail(unreachable(this.address, error)));
    socket.on('close', () =>
      this.#fail(new EngineError('unreachable', `engine ${this.address} closed the connection`)),
    );
    // With `onread` the end of the stream is an event of its own, and nobody reads on.
    socket.on('end', () => socket.destroy());
  }

  /** Connects, authenticates, selects the db and names the connection. Rejects with {@link EngineError}. */
  static async connect(options: LinkOptions): Promise<RespLink> {
    let take = (_bytes: Buffer, _length: number): void => {};
    const socket = await openSocket(options, (bytes, length) => take(bytes, length));
    const link = new RespLink(socket, options);
    const reader = new RespReader(link);
    take = (bytes, length) => link.#receive(reader, bytes, length);
    const frame = new Frame();
    const { user, password } = options.login ?? {};
    if (password !== undefined) frame.command('AUTH', ...(user === undefined ? [] : [user]), password);
    frame.command('SELECT', options.db).command('CLIENT', 'SETNAME', options.clientName);
    try {
      for (const reply of await link.request(frame))
        if (!asksForNoPassword(reply)) throwIfError(options.address, reply);
    } catch (error) {
      link.close();
      throw socket instanceof TLSSocket ? cutBehindHandshake(options.address, error) : error;
    }
    return link;
  }

  get broken(): EngineError | null {
    return this.#broken;
  }

  /** Exchanges begun so far. */
  get begun(): number {
    return this.#begun;
  }

  /** Whether replies are outstanding. */
  get isWaiting(): boolean {
    return this.#first < this.#exchanges.length;
  }

  /** Sends a frame and resolves with its replies; error replies are values. Rejects only when the link breaks. */
  request(frame: Frame): Promise<RespValue[]> {
    if (frame.replies === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => this.exchange(frame, new ValueExchange(resolve, reject)));
  }

  /** Sends a frame, whose replies go to `exchange`. The frame's memory must stay as it is until the exchange is over. */
  exchange(frame: Frame, exchange: Exchange): void {
    if (this.#broken !== null) return exchange.fail(this.#broken);
    this.#begun++;
    exchange.left = frame.replies;
    exchange.sentBefore = this.#checks + 1;
    this.#exchanges.push(exchange);
    this.#overdue ??= setInterval(() => this.#checkOverdue(), OVERDUE_CHECK_MS);
    if (this.#out.length === 0) callAtTurnEnd(this);
    for (const chunk of frame.end()) this.#out.push(chunk);
  }

  /** Ends the connection; outstanding requests reject. */
  close(): void {
    this.#fail(new EngineError('unreachable', `the link to engine ${this.address} was closed here`));
  }

  /** All frames of one turn of the event loop leave in one system call. */
  atTurnEnd(): void {
    const out = this.#out;
    this.#out = [];
    if (this.#broken !== null) return;
    const [first] = out;
    if (out.length === 1 && first !== undefined) {
      this.#socket.write(first);
      return;
    }
    this.#socket.cork();
    for (const chunk of out) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  sink(): ReplySink {
    const exchange = this.#exchanges[this.#first];
    if (exchange === undefined) throw new RespProtocolError('it sent a reply that nobody asked for');
    return exchange;
  }

  complete(): void {
    const exchange = this.#exchanges[this.#first];
    if (exchange === undefined || --exchange.left > 0) return;
    this.#first++;
    if (this.#first === this.#exchanges.length) {
      this.#exchanges.length = 0;
      this.#first = 0;
    } else if (this.#first >= FORGET_AT) {
      this.#exchanges.splice(0, this.#first);
      this.#first = 0;
    }
    exchange.done();
  }

  #receive(reader: RespReader, bytes: Buffer, length: number): void {
    if (this.#broken !== null) return;
    this.#heardBefore = this.#checks + 1;
    try {
      reader.feed(bytes, length);
    } catch (error) {
      if (error instanceof EngineError) return this.#fail(error);
      if (!(error instanceof RespProtocolError)) throw error;
      this.#fail(
        new EngineError('protocol', `engine ${this.address} does not speak RESP2: ${error.message}`),
      );
    }
  }

  #checkOverdue(): void {
    this.#checks++;
    const first = this.#exchanges[this.#first];
    if (first === undefined) {
      // Not at once: a busy link has no requests between two others, and a timer costs more than a look.
      if (++this.#idleChecks >= IDLE_CHECKS) this.#stopOverdue();
      return;
    }
    this.#idleChecks = 0;
    const { commandTimeoutMs } = this.#options;
    // What waits behind the replies of others waits for no fault of the engine.
    const waitedMs = (this.#checks - Math.max(first.sentBefore, this.#heardBefore)) * OVERDUE_CHECK_MS;
    const inAllMs = (this.#checks - first.sentBefore) * OVERDUE_CHECK_MS;
    if (waitedMs >= commandTimeoutMs || inAllMs >= SLOWEST_REPLY_TIMEOUTS * commandTimeoutMs) {
      this.#fail(
        new EngineError(
          'timeout',
          `engine ${this.address} gave no reply within ${Math.max(waitedMs, commandTimeoutMs)} ms`,
        ),
      );
    } else if (waitedMs >= SUSPECT_AFTER_MS) this.#suspect();
  }

  /**
   * A killed engine whose forked child (a rewrite of its append-only file) still runs leaves its connections open: nothing
   * closes, nothing answers. That nobody listens any more tells it from an engine that is only slow. A handshake of TLS would be
   * asking it for more than that.
   */
  #suspect(): void {
    if (this.#suspected) return;
    this.#suspected = true;
    openSocket({ ...this.#options, login: undefined }, null).then(
      (socket) => {
        socket.destroy();
        setTimeout(() => {
          this.#suspected = false;
        }, SUSPECT_AFTER_MS * 4).unref();
      },
      (error: unknown) => {
        if (error instanceof EngineError && error.fault === 'unreachable') this.#fail(error);
      },
    );
  }

  #stopOverdue(): void {
    this.#idleChecks = 0;
    if (this.#overdue !== null) clearInterval(this.#overdue);
    this.#overdue = null;
  }

  #fail(error: EngineError): void {
    if (this.#broken !== null) return;
    this.#broken = error;
    this.#stopOverdue();
    this.#socket.destroy();
    const waiting = this.#exchanges.slice(this.#first);
    this.#exchanges = [];
    this.#first = 0;
    // First the owner of the link: those who waited ask it what to do next.
    this.onClose(error);
    for (const exchange of waiting) exchange.fail(error);
  }
}

/**
 * Whether it is the answer to AUTH of an engine that lets everybody in: it is known by its identity, and a password that was
 * lost in a restart is no reason to be without it. The words are those of Redis up to 5 and Kvrocks, and of Redis from 6 on.
 */
function asksForNoPassword(reply: RespValue): boolean {
  return (
    reply instanceof RespError &&
    /no password is set|without any password configured for the default user/.test(reply.message)
  );
}

/** Turns an error reply into the {@link EngineError} that says what it means for the engine. */
export function throwIfError(address: string, value: RespValue): void {
  if (value instanceof RespError) throw errorReply(address, value);
}

export function errorReply(address: string, { message }: RespError): EngineError {
  const fault = message.startsWith('LOADING')
    ? 'loading'
    : refusesLogin(message)
      ? 'login-refused'
      : 'refused-command';
  return new EngineError(fault, `engine ${address} answered: ${message}`);
}
