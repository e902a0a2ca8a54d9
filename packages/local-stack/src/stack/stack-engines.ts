import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type RedisHandle, type RedisOptions, startRedis } from '../servers.ts';
import type { StackOptions } from './stack-options.ts';
import type { StackState } from './stack-state.ts';

export interface StackEngine extends RedisHandle {
  role: 'primary' | 'slave' | 'spare';
  /** The cluster it belongs to at the start. */
  cluster: string;
  /** Its shard at the start; null for a spare. */
  shard: number | null;
  /** p1-0, s1-3, spare-0 */
  name: string;
}

export interface StackEngines {
  primary: StackEngine[];
  slave: StackEngine[];
  spares: StackEngine[];
}

/** Starts all engines at once. */
export async function startEngines(options: StackOptions, state: StackState): Promise<StackEngines> {
  const { primaries = 4, spares = 2, slaves = primaries } = options;
  const { primary, slave } = clusterNames(options);
  const unixSockets = engineSockets(options);
  if (unixSockets !== undefined) mkdirSync(dirname(unixSockets), { recursive: true });
  const start = async (
    role: StackEngine['role'],
    cluster: string,
    shard: number | null,
    name: string,
  ): Promise<StackEngine> => {
    const engine = await startRedis({
      dir: join(options.dir, 'engines', name),
      name,
      ports: (server, port) => state.port(server, port),
      record: state.record,
      env: { ...process.env, SALVOR_STACK: state.id },
      appendonly: options.appendonly ?? true,
      unixSockets,
      tls: options.tls,
      ...usersOf(options),
      survivesFileLimit: options.enginesSurviveFileLimit,
      appendfsync: options.appendfsync ?? 'everysec',
    });
    const port = (await options.via?.('all', name, engine.port)) ?? engine.port;
    return { ...engine, address: `127.0.0.1:${port}`, role, cluster, shard, name };
  };
  const shards = (role: 'primary' | 'slave', cluster: string, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, shard) => start(role, cluster, shard, `${cluster}-${shard}`)),
    );
  const [primaryEngines, slaveEngines, spareEngines] = await Promise.all([
    shards('primary', primary, primaries),
    shards('slave', slave, slaves),
    Promise.all(
      Array.from({ length: spares }, (_, index) =>
        start('spare', slaves > 0 && index % 2 === 1 ? slave : primary, null, `spare-${index}`),
      ),
    ),
  ]);
  return { primary: primaryEngines, slave: slaveEngines, spares: spareEngines };
}

function usersOf({ engineUsers }: StackOptions): Pick<RedisOptions, 'login' | 'extraArgs'> {
  if (engineUsers === undefined) return {};
  const { aclFile, passwordOf } = engineUsers;
  return {
    login: ['administrator', passwordOf('administrator')],
    extraArgs: ['--aclfile', aclFile],
  };
}

// A socket address holds 107 bytes of path (unix(7)), and a port has at most five digits.
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Where the engines of a stack listen beside TCP; undefined when the stack's folder is too deep for sockets, and when
 * engines are reached through lines or with TLS.
 */
export function engineSockets(options: StackOptions): string | undefined {
  if (options.via !== undefined || options.tls !== undefined) return undefined;
  const template = join(options.dir, 'engines', '{port}.sock');
  return Buffer.byteLength(template) <= MAX_SOCKET_PATH_BYTES ? template : undefined;
}

export function clusterNames(options: StackOptions): { primary: string; slave: string } {
  return options.clusterNames ?? { primary: 'p1', slave: 's1' };
}
