import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { NatsRole } from '@salvor/bus';
import type { CertificateFiles } from '../certificates.ts';

/** Services of the stack beside the NBD servers. */
export type StackServiceName =
  | 'repair-coordinator'
  | 'health-analyzer'
  | 'tlog-replayer'
  | 'log-watcher'
  | 'console';

export interface StackServiceOptions {
  /** Default 1, of the console 0; 0 leaves it out. Of log-watcher and console there is at most one, of the first only if it has something to watch. */
  replicas?: number;
  env?: Readonly<Record<string, string>>;
}

export interface StackOptions {
  /** Data, logs and `stack.json`. A stack started again in the same folder has its data and addresses back. */
  dir: string;
  /** Engines of the primary cluster; default 4. */
  primaries?: number;
  /** Engines of the slave cluster; default as many as primaries; 0 for no slave cluster. */
  slaves?: number;
  /** Spare engines, dealt out to the primary and the slave cluster in turn; default 2. */
  spares?: number;
  /** Default 1, named nbd-1, nbd-2 … Children of log-watcher, or of the stack when there is no log-watcher. */
  nbdServers?: number;
  nbdServerEnv?: Readonly<Record<string, string>>;
  services?: Readonly<Partial<Record<StackServiceName, StackServiceOptions>>>;
  /** Whether engines keep their data over a restart; default true. */
  appendonly?: boolean;
  /** Default 'everysec'; see `RedisOptions.appendfsync`. */
  appendfsync?: 'always' | 'everysec' | 'no';
  /** See `RedisOptions.survivesFileLimit`. */
  enginesSurviveFileLimit?: boolean;
  /** Users of the NATS server: part of its configuration, and the seed of each role; absent: anybody may do anything. */
  natsUsers?: { readonly config: string; readonly seedOf: (role: NatsRole) => string };
  /** Users of the engines: their ACL file, and the password of each; absent: anybody may do anything. */
  engineUsers?: { readonly aclFile: string; readonly passwordOf: (user: string) => string };
  /** Every link is TLS, and every client shows a certificate; unix sockets of engines are not used then. */
  tls?: CertificateFiles | undefined;
  /** For every service. */
  env?: Readonly<Record<string, string>>;
  /** Default { primary: 'p1', slave: 's1' }. */
  clusterNames?: { primary: string; slave: string };
  /** Default true; false leaves engines, bus manifest and clusters as they are. */
  createClusters?: boolean;
  /**
   * The port of this machine through which `from` reaches `to`, which listens on `port`; default: that port. For a line
   * between them that can be disturbed. Engines have one address for all: there `from` is `all`.
   */
  via?: (from: string, to: string, port: number) => Promise<number>;
  /** Where an NBD server finds the unix sockets of engines, with `{port}` for the port of their address. */
  engineSocketsOf?: (nbdServer: string) => string;
  /** Default: the repository this file is in. */
  repoRoot?: string;
  /** For each part to become ready; default 60 s. */
  readyTimeoutMs?: number;
  /** Called with one line for each part that is up. */
  onProgress?: (line: string) => void;
}

export const DEFAULT_READY_TIMEOUT_MS = 60_000;

/** The file that a service is started with: a bundle of it where the environment names one, which starts in half of the time. */
export function serviceMain(service: string, options: Pick<StackOptions, 'repoRoot'> = {}): string {
  const bundles = process.env['SALVOR_BUNDLED_SERVICES'];
  const isOurs = options.repoRoot === undefined && bundles !== undefined;
  const bundled = isOurs ? join(bundles, service, 'main.js') : undefined;
  if (bundled !== undefined && existsSync(bundled)) return bundled;
  return join(repoRootOf(options), 'services', service, 'dist', 'main.js');
}

export function repoRootOf(options: Pick<StackOptions, 'repoRoot'>): string {
  return options.repoRoot ?? resolve(import.meta.dirname, '../../../..');
}

/** Environment of a service: ours without our own settings, then the stack's. */
export function serviceEnv(...layers: Readonly<Record<string, string>>[]): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !entry[0].startsWith('SALVOR_') && entry[0] !== 'NODE_TEST_CONTEXT',
  );
  return Object.assign(Object.fromEntries(inherited), ...layers);
}
