/** One screen about a stack that runs: what is where, how to attach to it, where to look. */
import type { Paint } from './paint.ts';
import { indented, properties, shellWord, table, title } from './text.ts';

/** What `salvor up` knows of the stack it started, also its --json. */
export interface StackSummary {
  /** Null: it is no zone. */
  readonly zone: string | null;
  readonly dir: string;
  readonly contextFile: string;
  /** Whom the console lets act: a name and a token. */
  readonly tokenFile: string;
  readonly natsUrl: string;
  /** Comma-separated `host:port`. */
  readonly etcd: string;
  readonly processes: readonly StackProcess[];
  /** URIs to append a vdisk to (`uri`), or to put it in before the `?` (`unixUri`). */
  readonly nbdServers: readonly StackNbdServer[];
  readonly clusters: readonly StackCluster[];
  readonly spares: readonly string[];
  /** Folder of the certificates where links are TLS, as QEMU and libnbd look for them. */
  readonly certificates: string | null;
}

export interface StackProcess {
  readonly name: string;
  readonly pid: number | undefined;
  /** Where it listens; empty when that is nobody's business. */
  readonly at: string;
  readonly logFile: string;
}

export interface StackNbdServer {
  readonly server: string;
  readonly pid: number | undefined;
  readonly uri: string;
  readonly unixUri: string;
}

export interface StackCluster {
  readonly cluster: string;
  readonly role: string;
  /** Addresses in shard order. */
  readonly engines: readonly string[];
}

/** `isFound`: whether commands in this folder find the stack by themselves. */
export function stackScreen(paint: Paint, stack: StackSummary, isFound: boolean): string {
  return [
    partsOfStack(paint, stack),
    section(paint, 'Try', commandsToTry(paint, stack, isFound)),
    'Ctrl-C stops everything; the data stays, and the next salvor up in this folder goes on with it.\n',
  ].join('\n');
}

/** What runs where. */
export function partsOfStack(paint: Paint, stack: StackSummary): string {
  const { processes, nbdServers, clusters, spares, dir, zone } = stack;
  const rows = [
    ...processes.map(({ name, pid, at, logFile }) => [name, at, `${pid ?? '-'}`, inFolder(logFile, dir)]),
    ...nbdServers.map(({ server, pid, uri }) => [
      server,
      `${uri}<vdisk>`,
      `${pid ?? '-'}`,
      'child of log-watcher',
    ]),
  ];
  return [
    section(
      paint,
      zone === null ? `Salvor runs in ${dir}` : `Zone ${zone} runs in ${dir}`,
      table(paint, ['name', 'at', 'pid', 'log'], rows, 'nothing'),
    ),
    section(
      paint,
      'Storage',
      properties(paint, [
        ...clusters.map(({ cluster, role, engines }) => [cluster, `${role}: ${engines.join('  ')}`] as const),
        ['spares', spares.length === 0 ? 'none' : spares.join('  ')],
      ]),
    ),
  ].join('\n');
}

export function section(paint: Paint, heading: string, body: string): string {
  return `${title(paint, heading)}${indented(body)}`;
}

function commandsToTry(paint: Paint, stack: StackSummary, isFound: boolean): string {
  const { clusters, nbdServers, natsUrl, etcd, processes, certificates } = stack;
  const [primary, slave] = clusters;
  const [nbd] = nbdServers;
  const pidAt = (address: string | undefined) => processes.find(({ at }) => at === address)?.pid;
  const hanging = pidAt(primary?.engines[0]);
  const lost = pidAt(primary?.engines[1]);
  const page = processes.find(({ name }) => name === 'console')?.at;
  const pair = slave === undefined ? '' : ` --slave-cluster ${slave.cluster}`;
  const file = (name: string): string => shellWord(`${certificates}/${name}.pem`);
  const nats = `nats --server ${natsUrl}${certificates === null ? '' : ` --tlsca ${file('ca-cert')} --tlscert ${file('client-cert')} --tlskey ${file('client-key')}`}`;
  const etcdctl = `etcdctl --endpoints ${etcd}${certificates === null ? '' : ` --cacert ${file('ca-cert')} --cert ${file('client-cert')} --key ${file('client-key')}`}`;
  return properties(
    paint,
    [
      ['find this stack from elsewhere', isFound ? undefined : `export NATS_URL=${natsUrl}`],
      ['look', 'salvor status --watch'],
      ['or in a browser', page],
      ['the token to act there', page && tokenLine(stack)],
      ['create a vdisk', primary && `salvor vdisk create v1 --size 1 --cluster ${primary.cluster}${pair}`],
      ['attach it', nbd && attach(nbd.uri, certificates)],
      ['or through a socket', nbd && `nbdinfo ${shellWord(nbd.unixUri.replace('?', 'v1?'))}`],
      ['let an engine hang, and return', hanging && `kill -STOP ${hanging}; sleep 5; kill -CONT ${hanging}`],
      ['lose an engine', lost && `kill -9 ${lost}`],
      ['hear the story', 'salvor incident list --all; salvor incident explain <incident>'],
      ['services on the bus', `${nats} micro ls`],
      ['events', `${nats} sub 'salvor.evt.>' --translate 'salvor decode'`],
      ['a command by hand', `${nats} req salvor.cmd.v1.vdisk.list '{}'`],
      ['the configuration', `${etcdctl} get --prefix ''`],
    ].flatMap(([name, value]) => (typeof value === 'string' ? [[String(name), value] as const] : [])),
  );
}

/** Prints the token that unlocks the actions of the console. */
export function tokenLine({ tokenFile }: StackSummary): string {
  return `cut -d' ' -f2 ${shellWord(tokenFile)}`;
}

function attach(uri: string, certificates: string | null): string {
  return certificates === null
    ? `qemu-img info ${uri}v1`
    : `nbdinfo ${shellWord(`${uri}v1?tls-certificates=${certificates}`)}`;
}

function inFolder(path: string, dir: string): string {
  return path.startsWith(`${dir}/`) ? path.slice(dir.length + 1) : path;
}
