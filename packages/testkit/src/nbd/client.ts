import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { certificateFiles, within } from '@salvor/local-stack';
import { ByteSource } from './byte-source.ts';
import { NbdConnectionLostError, NbdProtocolError, NbdRequestError, NbdTimeoutError } from './errors.ts';
import { Handshake } from './handshake.ts';
import {
  type CommandName,
  command,
  commandFlag,
  type ExportInfo,
  encodeRequest,
  REPLY_HEADER_BYTES,
  SIMPLE_REPLY_MAGIC,
  transmissionFlag,
} from './protocol.ts';
import { formatNbdUri, type NbdTarget, openSocket, parseNbdUri } from './target.ts';

export interface NbdClientOptions {
  /** Default 'go'. */
  open?: 'go' | 'export-name';
  /** Default true; false is what very old clients say, and brings 124 zero bytes with 'export-name'. */
  noZeroes?: boolean;
  /** For connection and handshake; default 5 s. */
  connectTimeoutMs?: number;
  /** For each request; default 30 s. A late answer is dropped, the connection stays. */
  requestTimeoutMs?: number;
}

export interface WriteOptions {
  /** Answer only when durable (NBD_CMD_FLAG_FUA). */
  fua?: boolean;
}

interface Outstanding {
  what: string;
  payloadBytes: number;
  timeoutMs: number;
  expiresAt: number;
  settled: boolean;
  resolve(payload: Buffer): void;
  reject(error: Error): void;
}

const NO_PAYLOAD = Buffer.alloc(0);
const SWEEP_INTERVAL_MS = 50;

/**
 * A pipelining NBD client: any number of requests may be outstanding, answers may come in any order.
 * It shares no code with the server, so that a misreading of the protocol cannot hide on both sides.
 */
export class NbdClient {
  readonly info: ExportInfo;
  /** Settles (never rejects) when the connection has ended, with the reason. */
  readonly closed: Promise<NbdConnectionLostError>;
  readonly #socket: Socket;
  readonly #source: ByteSource;
  readonly #label: string;
  readonly #requestTimeoutMs: number;
  readonly #outstanding = new Map<bigint, Outstanding>();
  readonly #sweeper: NodeJS.Timeout;
  #nextCookie = 1n;
  #lost: NbdConnectionLostError | null = null;
  #settleClosed: (reason: NbdConnectionLostError) => void = () => undefined;

  private constructor(
    socket: Socket,
    source: ByteSource,
    info: ExportInfo,
    label: string,
    requestTimeoutMs: number,
  ) {
    this.info = info;
    this.#socket = socket;
    this.#source = source;
    this.#label = label;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    socket.once('error', (error) => this.#lose(`connection failed: ${error.message}`));
    socket.once('close', () => this.#lose('connection closed by the server'));
    this.#sweeper = setInterval(() => this.#expire(), SWEEP_INTERVAL_MS).unref();
    this.#receive().catch((error: unknown) => this.#lose(String(error)));
  }

  /** Errors: `NbdConnectionLostError`, `NbdOptionError` (unknown export), `NbdProtocolError`. */
  static async connect(target: string | NbdTarget, options: NbdClientOptions = {}): Promise<NbdClient> {
    const to = typeof target === 'string' ? parseNbdUri(target) : target;
    return withHandshake(to, options, async (handshake, socket, source) => {
      const info =
        options.open === 'export-name'
          ? await handshake.exportName(to.exportName)
          : await handshake.go(to.exportName);
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      return new NbdClient(socket, source, info, formatNbdUri(to), options.requestTimeoutMs ?? 30_000);
    });
  }

  /** Names of all exports, then NBD_OPT_ABORT. */
  static async list(target: string | NbdTarget, options: NbdClientOptions = {}): Promise<string[]> {
    const to = typeof target === 'string' ? parseNbdUri(target) : target;
    return withHandshake(to, options, async (handshake, socket) => {
      const names = await handshake.list();
      await handshake.abort();
      socket.destroy();
      return names;
    });
  }

  get sizeBytes(): number {
    return this.info.sizeBytes;
  }
  get readOnly(): boolean {
    return (this.info.flags & transmissionFlag.readOnly) !== 0;
  }
  /** Null while the connection lives. */
  get lost(): NbdConnectionLostError | null {
    return this.#lost;
  }
  get outstandingRequests(): number {
    return this.#outstanding.size;
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#request('read', offset, length, NO_PAYLOAD, 0);
  }

  async write(offset: number, data: Buffer, options: WriteOptions = {}): Promise<void> {
    await this.#request('write', offset, data.length, data, options.fua === true ? commandFlag.fua : 0);
  }

  async flush(): Promise<void> {
    await this.#request('flush', 0, 0, NO_PAYLOAD, 0);
  }

  async trim(offset: number, length: number, options: WriteOptions = {}): Promise<void> {
    await this.#request('trim', offset, length, NO_PAYLOAD, options.fua === true ? commandFlag.fua : 0);
  }

  async writeZeroes(
    offset: number,
    length: number,
    options: WriteOptions & { noHole?: boolean } = {},
  ): Promise<void> {
    const flags =
      (options.fua === true ? commandFlag.fua : 0) | (options.noHole === true ? commandFlag.noHole : 0);
    await this.#request('writeZeroes', offset, length, NO_PAYLOAD, flags);
  }

  /** NBD_CMD_DISC: the server finishes what is outstanding and closes. */
  async disconnect(timeoutMs = 5_000): Promise<void> {
    if (this.#lost !== null) return;
    this.#socket.write(encodeRequest({ flags: 0, type: command.disc, cookie: 0n, offset: 0, length: 0 }));
    await within(this.closed, timeoutMs, `${this.#label}: close after NBD_CMD_DISC`).finally(() =>
      this.destroy(),
    );
  }

  /** Drops the connection at once, as a crash of the client would. */
  destroy(): void {
    this.#lose('destroyed by the client');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect().catch(() => this.destroy());
  }

  #request(
    name: CommandName,
    offset: number,
    length: number,
    payload: Buffer,
    flags: number,
  ): Promise<Buffer> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const cookie = this.#nextCookie++;
    const answered = new Promise<Buffer>((resolve, reject) => {
      this.#outstanding.set(cookie, {
        what: `${this.#label}: ${name} of ${length} bytes at ${offset}`,
        payloadBytes: name === 'read' ? length : 0,
        timeoutMs: this.#requestTimeoutMs,
        expiresAt: performance.now() + this.#requestTimeoutMs,
        settled: false,
        resolve,
        reject,
      });
    });
    const header = encodeRequest({ flags, type: command[name], cookie, offset, length });
    if (payload.length === 0) {
      this.#socket.write(header);
    } else {
      this.#socket.cork();
      this.#socket.write(header);
      this.#socket.write(payload);
      process.nextTick(() => this.#socket.uncork());
    }
    return answered;
  }

  async #receive(): Promise<void> {
    for (;;) {
      const header = await this.#source.take(REPLY_HEADER_BYTES);
      const errno = header.readUInt32BE(4);
      const cookie = header.readBigUInt64BE(8);
      const request = this.#outstanding.get(cookie);
      if (header.readUInt32BE(0) !== SIMPLE_REPLY_MAGIC || request === undefined) {
        throw new NbdProtocolError(
          `expected a simple reply to an outstanding request, found ${header.toString('hex')}`,
        );
      }
      // An error answer carries no data (NBD proto, "Simple reply message").
      const payload = errno === 0 ? await this.#source.take(request.payloadBytes) : NO_PAYLOAD;
      this.#outstanding.delete(cookie);
      if (request.settled) continue;
      if (errno === 0) request.resolve(payload);
      else request.reject(new NbdRequestError(request.what, errno));
    }
  }

  #expire(): void {
    const now = performance.now();
    for (const request of this.#outstanding.values()) {
      if (request.expiresAt > now) break;
      if (request.settled) continue;
      request.settled = true;
      request.reject(new NbdTimeoutError(request.what, request.timeoutMs));
    }
  }

  #lose(reason: string): void {
    if (this.#lost !== null) return;
    this.#lost = new NbdConnectionLostError(`${this.#label}: ${reason}`);
    clearInterval(this.#sweeper);
    this.#source.end(this.#lost);
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
    for (const request of this.#outstanding.values()) {
      if (!request.settled) request.reject(this.#lost);
    }
    this.#outstanding.clear();
    this.#settleClosed(this.#lost);
  }
}

/** Connects and greets, over TLS where the target says so; whatever fails until `use` is done closes the socket. */
export async function withHandshake<T>(
  target: NbdTarget,
  options: NbdClientOptions,
  use: (handshake: Handshake, socket: Socket, source: ByteSource) => Promise<T>,
): Promise<T> {
  const timeoutMs = options.connectTimeoutMs ?? 5_000;
  const socket = await openSocket(target, timeoutMs);
  const plain = heard(socket, target);
  const haggle = async () => {
    const greeted = await Handshake.greet(socket, plain, options.noZeroes);
    if (target.kind === 'unix' || target.tls === undefined) return use(greeted, socket, plain);
    await greeted.startTls();
    plain.release();
    const secure = await secured(socket, target.host, target.tls);
    const source = heard(secure, target);
    return use(greeted.over(secure, source), secure, source);
  };
  try {
    return await within(haggle(), timeoutMs, `handshake with ${formatNbdUri(target)}`);
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
}

function heard(socket: Socket, target: NbdTarget): ByteSource {
  const source = new ByteSource(socket);
  const lose = (reason: string) =>
    source.end(new NbdConnectionLostError(`${formatNbdUri(target)}: ${reason} during the handshake`));
  socket.once('error', (error) => lose(error.message));
  socket.once('close', () => lose('connection closed'));
  return source;
}

function secured(socket: Socket, host: string, folder: string): Promise<Socket> {
  const { ca, clientCert, clientKey } = certificateFiles(folder);
  const content = { ca: readFileSync(ca), cert: readFileSync(clientCert), key: readFileSync(clientKey) };
  const name = isIP(host) === 0 ? { servername: host } : {};
  return new Promise((resolve, reject) => {
    const secure = tlsConnect({ socket, host, ...name, ...content }, () => resolve(secure));
    secure.once('error', reject);
  });
}
