import { connect, type Socket } from 'node:net';
import { EngineError } from './errors.ts';
import { Frame, RespError, RespProtocolError, RespReader, type RespValue } from './resp.ts';

/** Where an engine listens, and how long to wait for it. */
export interface LinkOptions {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly db: number;
  readonly password?: string | undefined;
  readonly connectTimeoutMs: number;
  /** A reply that takes longer ends the link: the engine counts as hung. */
  readonly commandTimeoutMs: number;
  /** Shown by CLIENT LIST; tells one owner's links from another's. */
  readonly clientName: string;
}

interface Waiter {
  left: number;
  readonly values: RespValue[];
  /** Number of the check for overdue replies before which it was sent. */
  readonly sentBefore: number;
  readonly resolve: (values: RespValue[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * How often a link looks for replies that are overdue, in milliseconds. Waiting time is counted in these checks, not by the
 * clock: a process that was stopped for a while finds its replies in the socket, and must not blame the engine.
 */
const OVERDUE_CHECK_MS = 25;
/** A link without requests for so many checks stops looking. */
const IDLE_CHECKS = 40;
/** A reply that takes longer makes the link look whether the engine still listens, in milliseconds. */
const SUSPECT_AFTER_MS = 50;

/**
 * One connection to a storage engine that speaks RESP2. Pipelined; replies come in the order of the requests.
 * It never reconnects: whoever owns it decides what a broken link means.
 */
export class RespLink {
  readonly address: string;
  /** Called once, when the link is gone for whatever reason. */
  onClose: (error: EngineError) => void = () => {};
  readonly #socket: Socket;
  readonly #options: LinkOptions;
  readonly #waiters: Waiter[] = [];
  #overdue: NodeJS.Timeout | null = null;
  #broken: EngineError | null = null;
  #corked = false;
  #suspected = false;
  #checks = 0;
  #idleChecks = 0;

  private constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.address = options.address;
    const reader = new RespReader((value) => this.#take(value));
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.feed(bytes);
      } catch (error) {
        if (!(error instanceof RespProtocolError)) throw error;
        this.#fail(
          new EngineError('protocol', `engine ${this.address} does not speak RESP2: ${error.message}`),
        );
      }
    });
    socket.on('error', (error) => this.#fail(unreachable(this.address, error)));
    socket.on('close', () =>
      this.#fail(new EngineError('unreachable', `engine ${this.address} closed the connection`)),
    );
  }

  /** Connects, authenticates, selects the db and names the connection. Rejects with {@link EngineError}. */
  static async connect(options: LinkOptions): Promise<RespLink> {
    const socket = await openSocket(options);
    const link = new RespLink(socket, options);
    const frame = new Frame();
    if (options.password !== undefined) frame.command('AUTH', options.password);
    frame.command('SELECT', options.db).command('CLIENT', 'SETNAME', options.clientName);
    try {
      for (const reply of await link.request(frame)) throwIfError(options.address, reply);
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  get broken(): EngineError | null {
    return this.#broken;
  }

  /** Sends a frame and resolves with its replies; error replies are values. Rejects only when the link breaks. */
  request(frame: Frame): Promise<RespValue[]> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    if (frame.replies === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ left: frame.replies, values: [], sentBefore: this.#checks + 1, resolve, reject });
      this.#overdue ??= setInterval(() => this.#checkOverdue(), OVERDUE_CHECK_MS);
      this.#send(frame);
    });
  }

  /** Ends the connection; outstanding requests reject. */
  close(): void {
    this.#fail(new EngineError('unreachable', `the link to engine ${this.address} was closed here`));
  }

  /** All frames of one turn of the event loop leave in one system call. */
  #send(frame: Frame): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const chunk of frame.end()) this.#socket.write(chunk);
  }

  #take(value: RespValue): void {
    const waiter = this.#waiters[0];
    if (waiter === undefined) {
      this.#fail(new EngineError('protocol', `engine ${this.address} sent a reply that nobody asked for`));
      return;
    }
    waiter.values.push(value);
    if (--waiter.left > 0) return;
    this.#waiters.shift();
    waiter.resolve(waiter.values);
  }

  #checkOverdue(): void {
    this.#checks++;
    const first = this.#waiters[0];
    if (first === undefined) {
      // Not at once: a busy link has no waiters between two requests, and a timer costs more than a look.
      if (++this.#idleChecks >= IDLE_CHECKS) this.#stopOverdue();
      return;
    }
    this.#idleChecks = 0;
    const { commandTimeoutMs } = this.#options;
    const waitedMs = (this.#checks - first.sentBefore) * OVERDUE_CHECK_MS;
    if (waitedMs >= commandTimeoutMs) {
      this.#fail(
        new EngineError('timeout', `engine ${this.address} gave no reply within ${commandTimeoutMs} ms`),
      );
    } else if (waitedMs >= SUSPECT_AFTER_MS) this.#suspect();
  }

  /**
   * A killed engine whose forked child (a rewrite of its append-only file) still runs leaves its connections open: nothing
   * closes, nothing answers. That nobody listens any more tells it from an engine that is only slow.
   */
  #suspect(): void {
    if (this.#suspected) return;
    this.#suspected = true;
    openSocket(this.#options).then(
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
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    this.onClose(error);
  }
}

/** Turns an error reply into the {@link EngineError} that says what it means for the engine. */
export function throwIfError(address: string, value: RespValue): void {
  if (!(value instanceof RespError)) return;
  const fault = value.message.startsWith('LOADING') ? 'loading' : 'refused-command';
  throw new EngineError(fault, `engine ${address} answered: ${value.message}`);
}

/** Splits `host:port`; IPv6 hosts stand in brackets. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new EngineError(
      'unreachable',
      `engine address: expected host:port, found ${JSON.stringify(address)}`,
    );
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

function openSocket({ address, connectTimeoutMs }: LinkOptions): Promise<Socket> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(
        new EngineError(
          'timeout',
          `engine ${address} did not accept a connection within ${connectTimeoutMs} ms`,
        ),
      );
    }, connectTimeoutMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(unreachable(address, error));
    });
  });
}

function unreachable(address: string, error: Error): EngineError {
  return new EngineError('unreachable', `engine ${address} cannot be reached: ${error.message}`);
}
