import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { NatsRole } from '@salvor/bus';
import type { ManagedProcess } from '../managed-process.ts';
import { answersOk } from '../servers.ts';
import { startOnPorts } from '../start-on-ports.ts';
import { allOrNone } from './all-or-none.ts';
import { NbdServerHandle } from './nbd-server-handle.ts';
import { engineSockets } from './stack-engines.ts';
import { DEFAULT_READY_TIMEOUT_MS, type StackOptions, serviceEnv, serviceMain } from './stack-options.ts';
import type { StackState } from './stack-state.ts';

export interface StackServices {
  /** By name; replicas are repair-coordinator-2 and so on. NBD servers are here only if the stack started them itself. */
  processes: Map<string, ManagedProcess>;
  nbdServers: NbdServerHandle[];
  /** Where the page of the console is; null without a console. */
  consoleUrl: string | null;
  /** Starts one more service, which is among `processes` from then on. */
  add(service: NatsRole, env: Readonly<Record<string, string>>): Promise<void>;
  /** Removes what lies outside of the stack's folder. */
  cleanUp(): void;
}

interface Surroundings {
  natsPort: number;
  etcdPort: number;
}

interface NbdServerLaunch {
  name: string;
  httpPort: number;
  command: [string, ...string[]];
  env: Record<string, string>;
}

// A socket address holds 107 bytes of path (unix(7)).
const MAX_SOCKET_PATH_BYTES = 107;
// A little more than log-watcher gives itself to end its NBD servers.
const SERVICE_STOP_TIMEOUT_MS = 25_000;

/** Starts all services at once; each is ready when its /readyz says so. */
export async function startServices(
  options: StackOptions,
  state: StackState,
  surroundings: Surroundings,
): Promise<StackServices> {
  const common = {
    SALVOR_STACK: state.id,
    SALVOR_HTTP_HOST: '127.0.0.1',
    ...clientTls(options),
    ...options.env,
  };
  const reach = (name: string) => reachFrom(name, options, surroundings);
  const login = (service: NatsRole) => loginOf(service, options);
  const sockets = socketFolder(options.dir);
  const processes = new Map<string, ManagedProcess>();
  const start = async (name: string, launch: ServiceLaunch) => {
    const env = { ...(await reach(name)), ...login(launch.service), ...launch.env };
    const process = await startService(options, state, name, { ...launch, env });
    processes.set(name, process);
    options.onProgress?.(`${name} is ready`);
  };

  const servers: { handle: NbdServerHandle; launch: NbdServerLaunch }[] = [];
  for (let index = 1; index <= (options.nbdServers ?? 1); index++) {
    const name = `nbd-${index}`;
    const env = { ...common, ...(await reach(name)), ...login('nbd-server') };
    servers.push(await placeNbdServer(options, state, name, sockets.path, env));
  }
  const launches = servers.map((server) => server.launch);
  const watcher = options.services?.['log-watcher'] ?? {};
  const watches = launches.length > 0 || watcher.env?.SALVOR_SOURCES !== undefined;
  const watched = watches && (watcher.replicas ?? 1) > 0;

  const cancelled = new AbortController();
  const starts: Promise<unknown>[] = [];
  for (const service of ['repair-coordinator', 'health-analyzer', 'tlog-replayer'] as const) {
    const { replicas = 1, env = {} } = options.services?.[service] ?? {};
    const own = service === 'tlog-replayer' ? { SALVOR_TLOG_STORE: resolve(options.dir, 'tier2') } : {};
    for (let replica = 1; replica <= replicas; replica++) {
      const name = replica === 1 ? service : `${service}-${replica}`;
      starts.push(start(name, { service, env: { ...common, ...own, ...env } }));
    }
  }
  const page = await placeConsole(options, state);
  if (page !== null) starts.push(start('console', { service: 'console', env: { ...common, ...page.env } }));
  if (watched) {
    const sources = launches.map(({ name, command, env }) => ({ kind: 'spawn', name, command, env }));
    starts.push(
      start('log-watcher', {
        service: 'log-watcher',
        env: {
          ...common,
          SALVOR_SOURCES: JSON.stringify(sources),
          SALVOR_STATE_DIR: join(options.dir, 'log-watcher'),
          ...watcher.env,
        },
      }),
    );
    const timeoutMs = options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS;
    starts.push(...servers.map(({ handle }) => handle.waitUntilReady(timeoutMs, cancelled.signal)));
  } else {
    for (const { name, env, httpPort } of launches) {
      starts.push(start(name, { service: 'nbd-server', env, httpPort }));
    }
  }
  await allOrNone(starts, async () => {
    cancelled.abort();
    sockets.remove();
    await state.endAll();
  });
  return {
    processes,
    nbdServers: servers.map((server) => server.handle),
    consoleUrl: page?.url ?? null,
    add: (service, env) => start(service, { service, env: { ...common, ...env } }),
    cleanUp: sockets.remove,
  };
}

/** Its page keeps its address from run to run. Null: the stack has none. */
async function placeConsole(
  { services, tls }: StackOptions,
  state: StackState,
): Promise<{ url: string; env: Readonly<Record<string, string>> } | null> {
  const { replicas = 0, env = {} } = services?.console ?? {};
  if (replicas === 0) return null;
  const port = await state.port('console', 'page');
  const shown: Record<string, string> =
    tls === undefined ? {} : { SALVOR_PAGE_TLS_CERT: tls.serverCert, SALVOR_PAGE_TLS_KEY: tls.serverKey };
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`,
    env: { SALVOR_PAGE_PORT: String(port), ...shown, ...env },
  };
}

/** How services reach NATS, etcd and engines with TLS. */
function clientTls({ tls }: StackOptions): Record<string, string> {
  if (tls === undefined) return {};
  return Object.fromEntries(
    ['NATS', 'ETCD', 'ENGINE'].flatMap((part) => [
      [`SALVOR_${part}_TLS_CA`, tls.ca],
      [`SALVOR_${part}_TLS_CERT`, tls.clientCert],
      [`SALVOR_${part}_TLS_KEY`, tls.clientKey],
    ]),
  );
}

/** What an NBD server shows, and asks of its clients. */
function nbdTls({ tls }: StackOptions): Record<string, string> {
  if (tls === undefined) return {};
  return {
    SALVOR_NBD_TLS_MODE: 'required',
    SALVOR_NBD_TLS_CERT_FILE: tls.serverCert,
    SALVOR_NBD_TLS_KEY_FILE: tls.serverKey,
    SALVOR_NBD_TLS_CLIENT_CA_FILE: tls.ca,
  };
}

/** How a part of the stack reaches NATS and etcd. */
async function reachFrom(
  name: string,
  { via = async (_from, _to, port) => port }: StackOptions,
  { natsPort, etcdPort }: Surroundings,
): Promise<Record<string, string>> {
  return {
    SALVOR_NATS_SERVERS: `nats://127.0.0.1:${await via(name, 'nats', natsPort)}`,
    SALVOR_ETCD_ENDPOINTS: `127.0.0.1:${await via(name, 'etcd', etcdPort)}`,
  };
}

/** As whom a service logs in to NATS, and to the engines if it talks to them. */
function loginOf(service: NatsRole, { natsUsers, engineUsers }: StackOptions): Record<string, string> {
  return {
    ...(natsUsers === undefined ? {} : { SALVOR_NATS_NKEY_SEED: natsUsers.seedOf(service) }),
    ...(engineUsers === undefined || service === 'console' || service === 'log-watcher'
      ? {}
      : { SALVOR_ENGINE_USER: service, SALVOR_ENGINE_PASSWORD: engineUsers.passwordOf(service) }),
  };
}

interface ServiceLaunch {
  service: NatsRole;
  env: Readonly<Record<string, string>>;
  httpPort?: number;
}

async function startService(
  options: StackOptions,
  state: StackState,
  name: string,
  launch: ServiceLaunch,
): Promise<ManagedProcess> {
  const { httpPort } = launch;
  const { process: started } = await startOnPorts(
    {
      dir: join(options.dir, 'services'),
      ports: httpPort === undefined ? (server, role) => state.port(server, role) : async () => httpPort,
      record: state.record,
      readyTimeoutMs: options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS,
    },
    name,
    ['http'],
    (ports) => ({
      command: process.execPath,
      args: [serviceMain(launch.service, options)],
      env: serviceEnv(launch.env, { SALVOR_HTTP_PORT: String(ports.http) }),
      ready: () => answersOk(`http://127.0.0.1:${ports.http}/readyz`),
      stopTimeoutMs: SERVICE_STOP_TIMEOUT_MS,
    }),
  );
  return started;
}

async function placeNbdServer(
  options: StackOptions,
  state: StackState,
  name: string,
  socketDir: string,
  common: Readonly<Record<string, string>>,
): Promise<{ handle: NbdServerHandle; launch: NbdServerLaunch }> {
  const port = await state.port(name, 'nbd');
  const httpPort = await state.port(name, 'http');
  const socketPath = join(socketDir, `${name}.sock`);
  const env = {
    ...common,
    SALVOR_SERVER_ID: name,
    SALVOR_NBD_LISTEN: `tcp:127.0.0.1:${port},unix:${socketPath}`,
    SALVOR_HTTP_PORT: String(httpPort),
    SALVOR_ENGINE_SOCKETS: options.engineSocketsOf?.(name) ?? engineSockets(options) ?? '',
    ...nbdTls(options),
    ...options.nbdServerEnv,
  };
  return {
    handle: new NbdServerHandle({
      ...{ name, port, socketPath, httpPort, stackId: state.id },
      isTls: options.tls !== undefined,
    }),
    launch: { name, httpPort, command: [process.execPath, serviceMain('nbd-server', options)], env },
  };
}

/** In the stack's folder, unless its path is too long for a socket. */
function socketFolder(dir: string): { path: string; remove: () => void } {
  const own = join(dir, 'run');
  if (Buffer.byteLength(join(own, 'nbd-99.sock')) <= MAX_SOCKET_PATH_BYTES) {
    mkdirSync(own, { recursive: true });
    return { path: own, remove: () => undefined };
  }
  const path = mkdtempSync(join(tmpdir(), 'salvor-run-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
