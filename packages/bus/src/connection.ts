import { readFileSync } from 'node:fs';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  ErrorCode,
  Events,
  type NatsConnection,
  NatsError,
  nkeyAuthenticator,
} from 'nats';
import { BusError } from './bus-error.ts';

const RECONNECT_WAIT_MS = 250;
const RECONNECT_JITTER_MS = 100;
const PING_INTERVAL_MS = 5_000;
const DIAL_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024;
/** While no server answers, say so this often. */
const WAITING_LOG_INTERVAL_MS = 5_000;

export interface TlsFiles {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

export interface BusConnectOptions {
  /** `host:port` or `nats://host:port`, tried in random order. */
  servers: string[];
  /** Name of the service: shown by `nats server report connections`, and the source of its events. */
  name: string;
  tls?: TlsFiles;
  /** An nkey user seed (`SU…`). */
  nkeySeed?: string;
  /** Path of a `.creds` file; read again at every connect, so rotated credentials are picked up. */
  creds?: string;
  user?: string;
  password?: string;
  token?: string;
  /** Private inbox of this service; default `_INBOX_<name>`, so that permissions can keep replies apart. */
  inboxPrefix?: string;
  log: Logger;
  /** Give up the first connect after this long; default: wait for ever, saying so in the log. */
  connectTimeoutMs?: number;
  /** Ends the wait for the first connect. */
  signal?: AbortSignal;
}

export type BusStatus =
  | { state: 'connected'; server: string }
  | { state: 'disconnected'; server: string }
  | { state: 'not-permitted'; operation: string; subject: string }
  | { state: 'closed' };

/**
 * One connection to the NATS servers. The first connect waits for a server; later ones reconnect for ever. The client
 * library drops what is published while disconnected, so everything above asks `connected()` and retries.
 */
export class Connection {
  readonly nc: NatsConnection;
  readonly inboxPrefix: string;
  readonly #log: Logger;
  readonly #listeners = new Set<(status: BusStatus) => void>();
  #connected = true;
  #maxPayloadBytes = DEFAULT_MAX_PAYLOAD_BYTES;

  constructor(nc: NatsConnection, inboxPrefix: string, log: Logger) {
    this.nc = nc;
    this.inboxPrefix = inboxPrefix;
    this.#log = log;
    void this.#followStatus();
    void nc.closed().then((error) => {
      this.#connected = false;
      if (error) this.#log.error({ err: error }, 'nats connection closed');
      this.#tell({ state: 'closed' });
    });
  }

  connected(): boolean {
    return this.#connected && !this.nc.isClosed();
  }

  /** `max_payload` of the server last connected to: headers and body together. */
  maxPayloadBytes(): number {
    const announced = this.nc.info?.max_payload;
    if (announced !== undefined) this.#maxPayloadBytes = announced;
    return this.#maxPayloadBytes;
  }

  /** @returns a function that ends the subscription to status changes */
  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when connected, when `signal` aborts, or when the connection closed for good: ask `connected()`. */
  whenConnected(signal: AbortSignal): Promise<void> {
    if (this.connected() || this.nc.isClosed() || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        off();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const off = this.onStatus((status) => {
        if (status.state === 'connected' || status.state === 'closed') done();
      });
      signal.addEventListener('abort', done);
    });
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      switch (status.type) {
        case Events.Disconnect:
          this.#connected = false;
          this.#log.warn({ server: String(status.data) }, 'nats disconnected');
          this.#tell({ state: 'disconnected', server: String(status.data) });
          break;
        case Events.Reconnect:
          this.#connected = true;
          this.#log.info({ server: String(status.data) }, 'nats connected again');
          this.#tell({ state: 'connected', server: String(status.data) });
          break;
        case Events.Error: {
          const { operation, subject } = status.permissionContext ?? { operation: '', subject: '' };
          this.#log.error({ error: String(status.data), operation, subject }, 'nats reported an error');
          if (subject !== '') this.#tell({ state: 'not-permitted', operation, subject });
          break;
        }
        default:
      }
    }
  }

  #tell(status: BusStatus): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(status);
      } catch (error) {
        this.#log.error({ err: error }, 'bus status listener failed');
      }
    }
  }
}

/** @throws BusError `not-authorized`, `connect-timeout`, `connect-aborted` */
export async function openConnection(options: BusConnectOptions): Promise<Connection> {
  const inboxPrefix = options.inboxPrefix ?? `_INBOX_${options.name.replace(/[^A-Za-z0-9_-]/g, '-')}`;
  const startedAt = performance.now();
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      const nc = await connect(connectionOptions(options, inboxPrefix));
      options.log.info({ server: nc.getServer(), version: nc.info?.version }, 'nats connected');
      return new Connection(nc, inboxPrefix, options.log);
    } catch (error) {
      if (isRefusedLogin(error)) {
        throw new BusError(
          'not-authorized',
          `the nats server at ${options.servers.join(', ')} refused the login of "${options.name}": check the nkey seed, the credentials file or the password`,
          { cause: error },
        );
      }
      const now = performance.now();
      if (now - saidAt >= WAITING_LOG_INTERVAL_MS) {
        saidAt = now;
        const waitedMs = Math.round(now - startedAt);
        options.log.warn(
          { servers: options.servers, waitedMs, reason: messageOf(error) },
          'waiting for nats',
        );
      }
      if (options.connectTimeoutMs !== undefined && now - startedAt >= options.connectTimeoutMs) {
        throw new BusError(
          'connect-timeout',
          `no nats server answered at ${options.servers.join(', ')} within ${options.connectTimeoutMs} ms: ${messageOf(error)}`,
          { cause: error },
        );
      }
    }
    await pause(RECONNECT_WAIT_MS, options.signal);
    if (options.signal?.aborted) {
      throw new BusError('connect-aborted', 'the wait for a nats server was ended before one answered');
    }
  }
}

function connectionOptions(options: BusConnectOptions, inboxPrefix: string): ConnectionOptions {
  return {
    servers: options.servers,
    name: options.name,
    inboxPrefix,
    timeout: DIAL_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    reconnectJitterTLS: RECONNECT_JITTER_MS,
    pingInterval: PING_INTERVAL_MS,
    // A login refused during a reconnect may be a server with an old configuration: keep trying.
    ignoreAuthErrorAbort: true,
    ...(options.tls ? { tls: { ...options.tls } } : {}),
    ...authentication(options),
  };
}

function authentication(options: BusConnectOptions): Partial<ConnectionOptions> {
  const authenticators: Authenticator[] = [];
  if (options.nkeySeed !== undefined) {
    authenticators.push(nkeyAuthenticator(new TextEncoder().encode(options.nkeySeed)));
  }
  if (options.creds !== undefined) {
    const path = options.creds;
    authenticators.push((nonce) => credsAuthenticator(readFileSync(path))(nonce));
  }
  return {
    ...(authenticators.length > 0 ? { authenticator: authenticators } : {}),
    ...(options.user !== undefined ? { user: options.user } : {}),
    ...(options.password !== undefined ? { pass: options.password } : {}),
    ...(options.token !== undefined ? { token: options.token } : {}),
  };
}

const REFUSED_LOGIN: ReadonlySet<string> = new Set([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.BadAuthentication,
  ErrorCode.BadCreds,
]);

function isRefusedLogin(error: unknown): boolean {
  return error instanceof NatsError && REFUSED_LOGIN.has(error.code);
}
