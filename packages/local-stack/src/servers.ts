import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineLink } from './engine-link.ts';
import type { ManagedProcess } from './managed-process.ts';
import { type ServerOptions, startOnPorts } from './start-on-ports.ts';

export interface NatsHandle {
  process: ManagedProcess;
  port: number;
  /** nats://127.0.0.1:<port> */
  url: string;
  /** http://127.0.0.1:<port>, with /varz, /jsz, /healthz. */
  monitorUrl: string;
}

export interface EtcdHandle {
  process: ManagedProcess;
  port: number;
  /** 127.0.0.1:<port> */
  endpoint: string;
}

export interface RedisHandle {
  process: ManagedProcess;
  port: number;
  /** 127.0.0.1:<port> */
  address: string;
  dataDir: string;
}

/** A nats-server with JetStream on files. `extraConfig` is appended to its configuration (accounts, limits). */
export async function startNats(options: ServerOptions & { extraConfig?: string }): Promise<NatsHandle> {
  const name = options.name ?? 'nats';
  const { process, ports } = await startOnPorts(options, name, ['client', 'monitor'], (ports) => {
    const config = join(options.dir, 'nats.conf');
    mkdirSync(options.dir, { recursive: true });
    writeFileSync(config, natsConfig(options.dir, name, ports, options.extraConfig ?? ''));
    return {
      command: 'nats-server',
      args: ['-c', config],
      ready: () => answersOk(`http://127.0.0.1:${ports.monitor}/healthz`),
    };
  });
  return {
    process,
    port: ports.client,
    url: `nats://127.0.0.1:${ports.client}`,
    monitorUrl: `http://127.0.0.1:${ports.monitor}`,
  };
}

/** A single etcd 3.4 member. */
export async function startEtcd(options: ServerOptions): Promise<EtcdHandle> {
  const name = options.name ?? 'etcd';
  const { process, ports } = await startOnPorts(options, name, ['client', 'peer'], (ports) => {
    const client = `http://127.0.0.1:${ports.client}`;
    const peer = `http://127.0.0.1:${ports.peer}`;
    return {
      command: 'etcd',
      args: [
        ...['--name', name, '--data-dir', join(options.dir, 'data')],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', `${name}=${peer}`, '--logger', 'zap', '--log-level', 'warn'],
      ],
      ready: async () => (await fetchText(`${client}/health`)).includes('"true"'),
    };
  });
  return { process, port: ports.client, endpoint: `127.0.0.1:${ports.client}` };
}

export interface RedisOptions extends ServerOptions {
  /** Default true: an engine that restarts comes back with its data. */
  appendonly?: boolean;
  /**
   * Default 'no': a kill loses nothing that was answered, a power cut does. With 'everysec' an engine holds its log back
   * while a sync is under way, for 2 s at most, and loses that when it is killed.
   */
  appendfsync?: 'always' | 'everysec' | 'no';
  /** Where it listens beside its port: a path in which `{port}` stands for the port. */
  unixSockets?: string | undefined;
  /** It goes on when it reaches the limit on the size of its files (setrlimit(2)), as on a full disk; default false. */
  survivesFileLimit?: boolean | undefined;
  extraArgs?: readonly string[];
}

/** A redis-server as a storage engine. Ready when it has loaded its data and is verifiably this very process. */
export async function startRedis(options: RedisOptions): Promise<RedisHandle> {
  const name = options.name ?? 'redis';
  const dataDir = join(options.dir, 'data');
  mkdirSync(dataDir, { recursive: true });
  const { process, ports } = await startOnPorts(options, name, ['client'], (ports) => {
    const args = [
      ...['--port', String(ports.client), '--bind', '127.0.0.1', '--daemonize', 'no', '--save', ''],
      ...['--dir', dataDir, '--appendonly', options.appendonly === false ? 'no' : 'yes'],
      ...['--appendfsync', options.appendfsync ?? 'no'],
      ...unixSocketArgs(options.unixSockets, ports.client),
      ...['--enable-debug-command', 'no', '--maxmemory-policy', 'noeviction'],
      ...(options.extraArgs ?? []),
    ];
    return {
      ...(options.survivesFileLimit === true
        ? { command: 'sh', args: ['-c', 'trap \'\' XFSZ; exec redis-server "$@"', 'redis-server', ...args] }
        : { command: 'redis-server', args }),
      ready: (process) => isLoaded(ports.client, process.pid),
    };
  });
  return { process, port: ports.client, address: `127.0.0.1:${ports.client}`, dataDir };
}

function unixSocketArgs(template: string | undefined, port: number): string[] {
  if (template === undefined) return [];
  return ['--unixsocket', template.replaceAll('{port}', String(port)), '--unixsocketperm', '700'];
}

function natsConfig(
  dir: string,
  name: string,
  ports: { client: number; monitor: number },
  extra: string,
): string {
  return [
    `server_name: ${JSON.stringify(name)}`,
    `listen: "127.0.0.1:${ports.client}"`,
    `http: "127.0.0.1:${ports.monitor}"`,
    `jetstream { store_dir: ${JSON.stringify(join(dir, 'data'))} }`,
    extra,
    '',
  ].join('\n');
}

async function isLoaded(port: number, pid: number | undefined): Promise<boolean> {
  const link = await EngineLink.open(port);
  try {
    const info = String(await link.send('INFO', 'server', 'persistence'));
    return /^loading:0\r?$/m.test(info) && new RegExp(`^process_id:${pid}\\r?$`, 'm').test(info);
  } finally {
    link.close();
  }
}

export async function answersOk(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) });
  await answer.arrayBuffer();
  return answer.ok;
}

async function fetchText(url: string): Promise<string> {
  return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).text();
}
