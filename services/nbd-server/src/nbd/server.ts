import net from 'node:net';
import type { Exports } from './block-device.ts';
import { Connection, type ConnectionContext, type ConnectionStatus } from './connection.ts';
import { type Endpoint, endpointText, exportUri, listen, parseEndpoint } from './endpoint.ts';
import { InFlightBudget } from './in-flight-budget.ts';
import { type NbdLimits, nbdLimits } from './limits.ts';
import { SlabPool } from './slabs.ts';
import { directIntakeWorks } from './socket-intake.ts';
import { type TlsMode, type TlsSettings, tlsOptions } from './tls-settings.ts';
import { type NbdLog, type NbdTraffic, noTraffic } from './traffic.ts';

export interface NbdServerOptions {
  exports: Exports;
  /** `tcp:host:port` or `unix:/path`, at least one. */
  endpoints: readonly string[];
  log: NbdLog;
  limits?: Partial<NbdLimits>;
  /** Permissions of unix socket files; by default owner and group may connect. */
  unixMode?: number;
  /** Not offered by default. `required` is about TCP: who may open a unix socket is a matter of its permissions. */
  tls?: TlsSettings;
}

const defaultUnixMode = 0o660;
const keepAliveAfterMs = 60_000;
const refusalLogIntervalMs = 5_000;

/** Listens on every endpoint, or on none: throws EndpointError, or TlsSettingsError. */
export async function startNbdServer(options: NbdServerOptions): Promise<NbdServer> {
  const endpoints = options.endpoints.map(parseEndpoint);
  const server = new NbdServer(options, await directIntakeWorks());
  try {
    for (const endpoint of endpoints) await server.listen(endpoint, options.unixMode ?? defaultUnixMode);
  } catch (error) {
    await server.close({ deadlineMs: 0 });
    throw error;
  }
  return server;
}

/** Serves exports over NBD; one client can neither stop nor starve the others. */
export class NbdServer {
  /** Counts since the start, for metrics. */
  readonly traffic: Readonly<NbdTraffic>;
  readonly #traffic = noTraffic();
  readonly #context: ConnectionContext;
  readonly #tlsMode: TlsMode;
  readonly #listeners: { server: net.Server; endpoint: Endpoint }[] = [];
  readonly #connections = new Set<Connection>();
  #isClosing = false;
  #refusedSinceLog = 0;
  #refusalLoggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: NbdServerOptions, directIntake: boolean) {
    const limits = nbdLimits(options.limits);
    this.traffic = this.#traffic;
    this.#context = {
      exports: options.exports,
      limits,
      pool: new SlabPool(),
      budget: new InFlightBudget(limits.maxBytesInFlight, limits.stallTimeoutMs),
      traffic: this.#traffic,
      log: options.log,
      directIntake,
      tls: options.tls === undefined || options.tls.mode === 'off' ? undefined : tlsOptions(options.tls),
    };
    this.#tlsMode = options.tls?.mode ?? 'off';
  }

  /** The endpoints as bound, port 0 replaced. */
  get endpoints(): string[] {
    return this.#listeners.map(({ endpoint }) => endpointText(endpoint));
  }

  /** Payload bytes in flight over all connections. */
  get bytesInFlight(): number {
    return this.#context.budget.usedBytes;
  }

  /** The NBD URIs of one export, one for each endpoint. */
  uris(exportName: string): string[] {
    return this.#listeners.map(({ endpoint }) =>
      exportUri(endpoint, exportName, { isTls: this.#tlsOn(endpoint) === 'required' }),
    );
  }

  connections(): ConnectionStatus[] {
    return [...this.#connections].map((connection) => connection.status());
  }

  /**
   * Lets the clients of an export go: new requests are answered with ESHUTDOWN, those in flight properly. Connections that are
   * left after `deadlineMs` are cut.
   */
  async retireExport(exportName: string, { deadlineMs }: { deadlineMs: number }): Promise<void> {
    const left = [...this.#connections].filter((connection) => connection.status().export === exportName);
    for (const connection of left) connection.shutdown();
    await beforeDeadline(Promise.all(left.map((connection) => connection.closed)), deadlineMs);
    this.cutExport(exportName, 'its requests did not finish before the export had to go');
  }

  /** Cuts the connections of an export that this process may no longer serve, so that its clients connect anew. */
  cutExport(exportName: string, reason: string): void {
    for (const connection of [...this.#connections]) {
      if (connection.status().export === exportName) connection.destroy(reason);
    }
  }

  async listen(endpoint: Endpoint, unixMode: number): Promise<void> {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    server.on('connection', (socket) => this.#accept(socket, endpoint));
    const bound = await listen(server, endpoint, unixMode);
    // Such as EMFILE in accept: the listener goes on.
    server.on('error', (error) => this.#context.log.warn({ error: error.message }, 'nbd accept failed'));
    this.#listeners.push({ server, endpoint: bound });
    this.#context.log.info({ endpoint: endpointText(bound) }, 'nbd listening');
  }

  /**
   * Accepts nobody any more, answers new requests with ESHUTDOWN and those in flight properly, closes. Connections that
   * are left after `deadlineMs` are cut; their number is returned.
   */
  async close({ deadlineMs }: { deadlineMs: number }): Promise<{ cutConnections: number }> {
    this.#isClosing = true;
    const stopped = this.#listeners.map(({ server }) => new Promise((resolve) => server.close(resolve)));
    const left = [...this.#connections];
    const closed = Promise.all(left.map((connection) => connection.closed));
    for (const connection of left) connection.shutdown();
    await beforeDeadline(closed, deadlineMs);
    const cut = [...this.#connections];
    for (const connection of cut) connection.destroy('server is shutting down');
    await Promise.all(stopped);
    return { cutConnections: cut.length };
  }

  #accept(socket: net.Socket, endpoint: Endpoint): void {
    const refusal = this.#refusalOfConnection();
    if (refusal !== undefined) {
      socket.destroy();
      this.#noteRefusal(refusal);
      return;
    }
    socket.setKeepAlive(true, keepAliveAfterMs);
    const peer =
      endpoint.kind === 'unix' ? endpointText(endpoint) : `${socket.remoteAddress}:${socket.remotePort}`;
    const connection = new Connection(socket, peer, this.#context, this.#tlsOn(endpoint));
    this.#traffic.acceptedConnections += 1;
    this.#connections.add(connection);
    connection.closed.then(
      () => this.#connections.delete(connection),
      () => this.#connections.delete(connection),
    );
  }

  #tlsOn(endpoint: Endpoint): TlsMode {
    return endpoint.kind === 'unix' && this.#tlsMode === 'required' ? 'optional' : this.#tlsMode;
  }

  #refusalOfConnection(): string | undefined {
    const { maxConnections, maxHandshakes } = this.#context.limits;
    if (this.#isClosing) return 'server is shutting down';
    if (this.#connections.size >= maxConnections) return `${maxConnections} connections are open`;
    let handshakes = 0;
    for (const connection of this.#connections) if (connection.inHandshake) handshakes += 1;
    return handshakes >= maxHandshakes
      ? `${maxHandshakes} clients have not finished their handshake`
      : undefined;
  }

  #noteRefusal(reason: string): void {
    this.#traffic.refusedConnections += 1;
    this.#refusedSinceLog += 1;
    const nowMs = performance.now();
    if (nowMs - this.#refusalLoggedAtMs < refusalLogIntervalMs) return;
    this.#refusalLoggedAtMs = nowMs;
    this.#context.log.warn({ reason, refused: this.#refusedSinceLog }, 'nbd connections refused');
    this.#refusedSinceLog = 0;
  }
}

async function beforeDeadline(work: Promise<unknown>, deadlineMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
