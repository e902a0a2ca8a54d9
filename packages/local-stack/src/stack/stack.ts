import { join, resolve } from 'node:path';
import { type Bus, connectBus } from '@salvor/bus';
import { silentLogger } from '@salvor/service-kit';
import { StackError } from '../errors.ts';
import type { ManagedProcess } from '../managed-process.ts';
import { type EtcdHandle, type NatsHandle, startEtcd, startNats } from '../servers.ts';
import { allOrNone } from './all-or-none.ts';
import type { NbdServerHandle } from './nbd-server-handle.ts';
import { clusterNames, type StackEngine, type StackEngines, startEngines } from './stack-engines.ts';
import type { StackOptions } from './stack-options.ts';
import { type StackServices, startServices } from './stack-services.ts';
import { StackState } from './stack-state.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 15_000;

/** Another zone, as a replication-manager reaches it. */
export interface StackPeer {
  readonly zone: string;
  readonly natsServers: readonly string[];
  /** Folder of its archived logs. */
  readonly tlogStore: string;
}

/**
 * A whole Salvor on this machine: NATS, etcd, engines, services, two paired clusters. Every part can be killed,
 * paused and started again by itself.
 */
export class Stack {
  readonly options: StackOptions;
  readonly nats: NatsHandle;
  readonly etcd: EtcdHandle;
  readonly engines: StackEngines;
  readonly clusters: { primary: string; slave: string };
  readonly #services: StackServices;
  readonly #state: StackState;
  #stopped = false;

  constructor(
    options: StackOptions,
    state: StackState,
    parts: { nats: NatsHandle; etcd: EtcdHandle; engines: StackEngines; services: StackServices },
  ) {
    this.options = options;
    this.nats = parts.nats;
    this.etcd = parts.etcd;
    this.engines = parts.engines;
    this.clusters = clusterNames(options);
    this.#services = parts.services;
    this.#state = state;
  }

  /** nats://127.0.0.1:<port> */
  get natsUrl(): string {
    return this.nats.url;
  }
  /** host:port */
  get etcdEndpoints(): string[] {
    return [this.etcd.endpoint];
  }
  get nbdServers(): readonly NbdServerHandle[] {
    return this.#services.nbdServers;
  }
  /** Where the page of the console is; null without a console. */
  get consoleUrl(): string | null {
    return this.#services.consoleUrl;
  }
  /** Services by name: repair-coordinator, repair-coordinator-2, health-analyzer, tlog-replayer, log-watcher, console, replication-manager. */
  get services(): ReadonlyMap<string, ManagedProcess> {
    return this.#services.processes;
  }

  /** Error: `not-running`, with the names there are. */
  service(name: string): ManagedProcess {
    return found(this.services.get(name), 'service', name, [...this.services.keys()]);
  }

  /**
   * Starts the replication-manager of a zone, once it is known where the other zones are: `peers` as SALVOR_ZONE_PEERS
   * takes them. It is one of `services` from then on, and ends with the stack.
   */
  async startReplication(zone: string, peers: readonly StackPeer[]): Promise<void> {
    await this.#services.add('replication-manager', {
      SALVOR_ZONE: zone,
      SALVOR_ZONE_PEERS: JSON.stringify(peers),
      SALVOR_TLOG_STORE: this.tier2,
    });
  }

  /** Folder of the archived logs. */
  get tier2(): string {
    return resolve(this.options.dir, 'tier2');
  }

  nbdServer(name = 'nbd-1'): NbdServerHandle {
    const names = this.nbdServers.map((server) => server.name);
    return found(
      this.nbdServers.find((server) => server.name === name),
      'NBD server',
      name,
      names,
    );
  }

  /** The engine that had this place at the start. */
  engine(role: 'primary' | 'slave', shard: number): StackEngine {
    const names = this.engines[role].map((engine) => String(engine.shard));
    return found(this.engines[role][shard], `${role} shard`, String(shard), names);
  }

  engineAt(address: string): StackEngine {
    const all = [...this.engines.primary, ...this.engines.slave, ...this.engines.spares];
    const names = all.map((engine) => engine.address);
    return found(
      all.find((engine) => engine.address === address),
      'engine',
      address,
      names,
    );
  }

  /** A connection of the caller, who closes it. */
  connectBus(name = 'local-stack'): Promise<Bus> {
    return connectStackBus(this.natsUrl, name, this.options);
  }

  /** Services first and in peace, then engines, etcd and NATS. The data stays. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await endServices(this.services);
    await this.#end();
  }

  /** Everything at once, as a power cut would. The data stays. */
  async destroy(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  async #end(): Promise<void> {
    await this.#state.endAll();
    this.#services.cleanUp();
    this.#state.release();
  }
}

/** Error: what the first part that did not start said; everything started by then is ended. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const state = await StackState.claim(options.dir);
  try {
    return await build(options, state);
  } catch (error) {
    await state.endAll();
    state.release();
    throw error;
  }
}

async function build(options: StackOptions, state: StackState): Promise<Stack> {
  const server = (name: string) => ({
    dir: join(options.dir, name),
    name,
    ports: (server: string, role: string) => state.port(server, role),
    record: state.record,
    env: { ...process.env, SALVOR_STACK: state.id },
    tls: options.tls,
  });
  const { natsUsers } = options;
  const nats = startNats({
    ...server('nats'),
    ...(natsUsers === undefined ? {} : { extraConfig: natsUsers.config }),
  });
  const [natsUp, etcd, engines] = await allOrNone(
    [
      nats.then(async (handle) => {
        if (options.createClusters !== false)
          await withBus(handle.url, options, (bus) => bus.applyManifest());
        return handle;
      }),
      startEtcd(server('etcd')),
      startEngines(options, state),
    ],
    () => state.endAll(),
  );
  options.onProgress?.('NATS, etcd and engines are ready');
  const services = await startServices(options, state, { natsPort: natsUp.port, etcdPort: etcd.port });
  const stack = new Stack(options, state, { nats: natsUp, etcd, engines, services });
  const coordinated = [...services.processes.keys()].includes('repair-coordinator');
  if (options.createClusters !== false && coordinated) {
    await withBus(natsUp.url, options, (bus) => createClusters(bus, stack));
    options.onProgress?.('clusters are ready');
  }
  state.publish({
    natsUrl: natsUp.url,
    etcdEndpoints: [etcd.endpoint],
    nbdServers: Object.fromEntries(stack.nbdServers.map((nbd) => [nbd.name, nbd.uri('')])),
  });
  return stack;
}

/** Creates what is missing: a stack that came back has its clusters, perhaps with other engines by now. */
async function createClusters(bus: Bus, stack: Stack): Promise<void> {
  const { clusters } = await bus.request('cluster.list', {}, { timeoutMs: COMMAND_TIMEOUT_MS });
  const known = new Set(clusters.map((entry) => entry.cluster));
  const { primary, slave } = stack.clusters;
  const paired = stack.engines.slave.length > 0;
  const create = async (cluster: string, role: 'primary' | 'slave', partner?: string) => {
    if (known.has(cluster)) return;
    const place = ({ address }: StackEngine) => ({ address, db: 0 });
    const spares = stack.engines.spares.filter((spare) => spare.cluster === cluster).map(place);
    const engines = stack.engines[role].map(place);
    await bus.request(
      'cluster.create',
      { cluster, role, engines, spares, ...(partner === undefined ? {} : { partner }) },
      { timeoutMs: COMMAND_TIMEOUT_MS },
    );
  };
  if (paired) await create(slave, 'slave');
  await create(primary, 'primary', paired ? slave : undefined);
}

async function endServices(services: ReadonlyMap<string, ManagedProcess>): Promise<void> {
  // A service ended by force is ended all the same: what it left is found by its mark.
  await Promise.allSettled([...services.values()].map((service) => service.stop()));
}

function connectStackBus(url: string, name: string, { natsUsers, tls }: StackOptions): Promise<Bus> {
  return connectBus({
    ...{ servers: [url], name, log: silentLogger, connectTimeoutMs: CONNECT_TIMEOUT_MS },
    ...(natsUsers === undefined ? {} : { nkeySeed: natsUsers.seedOf('administrator') }),
    ...(tls === undefined
      ? {}
      : { tls: { caFile: tls.ca, certFile: tls.clientCert, keyFile: tls.clientKey } }),
  });
}

async function withBus<T>(url: string, options: StackOptions, use: (bus: Bus) => Promise<T>): Promise<T> {
  const bus = await connectStackBus(url, 'local-stack', options);
  try {
    return await use(bus);
  } finally {
    await bus.close({ deadlineMs: 1_000 });
  }
}

function found<T>(value: T | undefined, kind: string, name: string, names: readonly string[]): T {
  if (value !== undefined) return value;
  throw new StackError(
    'not-running',
    `the stack has no ${kind} '${name}'; it has ${names.join(', ') || 'none'}`,
  );
}
