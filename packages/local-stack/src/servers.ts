import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';
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

/** With certificates a server speaks TLS only, to clients that show one of the same authority. */
export interface WithTls {
  tls?: CertificateFiles | undefined;
}

/** A nats-server with JetStream on files. `extraConfig` is appended to its configuration (accounts, limits). */
export async function startNats(
  options: ServerOptions & WithTls & { extraConfig?: string },
): Promise<NatsHandle> {
  const name = options.name ?? 'nats';
  const { process, ports } = await startOnPorts(options, name, ['client', 'monitor'], (ports) => {
    const config = join(options.dir, 'nats.conf');
    mkdirSync(options.dir, { recursive: true });
    writeFileSync(
      config,
      natsConfig(options.dir, name, ports, `${natsTls(options)}${options.extraConfig ?? ''}`),
    );
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
export async function startEtcd(options: ServerOptions & WithTls): Promise<EtcdHandle> {
  const name = options.name ?? 'etcd';
  const { process, ports } = await startOnPorts(options, name, ['client', 'peer'], (ports) => {
    const scheme = options.tls === undefined ? 'http' : 'https';
    const client = `${scheme}://127.0.0.1:${ports.client}`;
    const peer = `${scheme}://127.0.0.1:${ports.peer}`;
    return {
      command: 'etcd',
      args: [
        ...['--name', name, '--data-dir', join(options.dir, 'data')],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', `${name}=${peer}`, '--logger', 'zap', '--log-level', 'warn'],
        ...etcdTls(options),
      ],
      ready: async () => (await fetchText(`${client}/health`, options)).includes('"true"'),
    };
  });
  return { process, port: ports.client, endpoint: `127.0.0.1:${ports.client}` };
}

export interface RedisOptions extends ServerOptions, WithTls {
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
  /** ACL user and password of whoever asks whether it is ready, where the default user may not. */
  login?: readonly [user: string, password: string] | undefined;
}

/** A redis-server as a storage engine. Ready when it has loaded its data and is verifiably this very process. */
export async function startRedis(options: RedisOptions): Promise<RedisHandle> {
  const name = options.name ?? 'redis';
  const dataDir = join(options.dir, 'data');
  mkdirSync(dataDir, { recursive: true });
  const { process, ports } = await startOnPorts(options, name, ['client'], (ports) => {
    const args = [
      ...redisPort(ports.client, options),
      ...['--bind', '127.0.0.1', '--daemonize', 'no', '--save', ''],
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
      ready: (process) => isLoaded(ports.client, process.pid, options),
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

function natsTls({ tls }: WithTls): string {
  if (tls === undefined) return '';
  const [cert, key, ca] = [tls.serverCert, tls.serverKey, tls.ca].map((path) => JSON.stringify(path));
  return `tls { cert_file: ${cert}, key_file: ${key}, ca_file: ${ca}, verify: true, timeout: 5 }\n`;
}

function etcdTls({ tls }: WithTls): string[] {
  if (tls === undefined) return [];
  return ['', 'peer-'].flatMap((link) => [
    ...[`--${link}cert-file`, tls.serverCert, `--${link}key-file`, tls.serverKey],
    ...[`--${link}trusted-ca-file`, tls.ca, `--${link}client-cert-auth`],
  ]);
}

function redisPort(port: number, { tls }: WithTls): string[] {
  if (tls === undefined) return ['--port', String(port)];
  return [
    ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'yes'],
    ...['--tls-cert-file', tls.serverCert, '--tls-key-file', tls.serverKey, '--tls-ca-cert-file', tls.ca],
  ];
}

/** What a client of these servers holds. */
export function clientOf({ tls }: WithTls): { ca: string; cert: string; key: string } | undefined {
  if (tls === undefined) return undefined;
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { ca: read(tls.ca), cert: read(tls.clientCert), key: read(tls.clientKey) };
}

async function isLoaded(port: number, pid: number | undefined, options: RedisOptions): Promise<boolean> {
  const link = await EngineLink.open(port, undefined, undefined, clientOf(options));
  try {
    if (options.login !== undefined) await link.send('AUTH', ...options.login);
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

async function fetchText(url: string, options: WithTls): Promise<string> {
  const signal = AbortSignal.timeout(1_000);
  const client = clientOf(options);
  if (client === undefined) return (await fetch(url, { signal })).text();
  return new Promise((resolve, reject) => {
    get(url, { ...client, signal, agent: false }, (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
      answer.on('error', reject);
    }).on('error', reject);
  });
}
