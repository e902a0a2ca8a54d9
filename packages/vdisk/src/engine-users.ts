import { createHash } from 'node:crypto';

/** Who logs in to engines: services, and the people who look after engines. */
export const ENGINE_ROLES = [
  'nbd-server',
  'repair-coordinator',
  'health-analyzer',
  'tlog-replayer',
  'replication-manager',
  'segment-recovery',
  'administrator',
] as const;
export type EngineRole = (typeof ENGINE_ROLES)[number];

/** What a user of an engine may do, in the words of Redis' ACL. */
export interface EnginePermissions {
  /** Lower case; a subcommand behind `|`. */
  readonly commands: readonly string[];
  /** Patterns, with what may be done with the keys: `~` all, `%R~` reading. */
  readonly keys: readonly string[];
}

/** What every link begins with, and how an engine says that it is well. */
const CONNECTING = ['select', 'client|setname', 'ping', 'info'];
const READING = [
  ...['get', 'mget', 'getrange', 'strlen', 'bitcount', 'exists', 'type'],
  ...['hget', 'hmget', 'hkeys', 'hlen', 'hexists', 'hscan', 'sscan', 'scan', 'dbsize', 'memory|usage'],
];
const WRITING = [
  ...['set', 'mset', 'setrange', 'bitfield', 'hset', 'hdel', 'sadd', 'srem', 'del', 'unlink'],
  ...['watch', 'unwatch', 'multi', 'exec', 'discard', 'eval', 'client|list', 'client|kill'],
];
/** Blocks are named by their content on engines of boot vdisks: by 32 bytes of hash. */
const CONTENT = '?'.repeat(32);
const DATA_KEYS = ['nondedup:*', 'lba:*', 'salvor:*', CONTENT];

/** The least that each role needs. Whoever mounts a vdisk writes all of its keys, on any engine. */
export function enginePermissions(role: EngineRole): EnginePermissions {
  switch (role) {
    case 'administrator':
      return { commands: ['@all'], keys: ['~*'] };
    case 'health-analyzer':
      return {
        commands: [...CONNECTING, 'get', 'set', 'del'],
        keys: ['%R~salvor:identity', '~salvor:canary:*'],
      };
    case 'segment-recovery':
      return { commands: [...CONNECTING, ...READING], keys: DATA_KEYS.map((key) => `%R~${key}`) };
    case 'nbd-server':
    case 'repair-coordinator':
    case 'tlog-replayer':
    case 'replication-manager':
      return {
        commands: [...CONNECTING, ...READING, ...WRITING],
        keys: DATA_KEYS.map((key) => `~${key}`),
      };
  }
}

/**
 * An ACL file for Redis 7 or later: these users, and nobody without a name. It holds hashes of passwords.
 * Source: Redis documentation, "ACL", "Key permissions", "External ACL file".
 */
export function engineUsersFile(
  users: readonly { readonly role: EngineRole; readonly password: string }[],
): string {
  const lines = users.map(({ role, password }) => {
    const { commands, keys } = enginePermissions(role);
    const hash = createHash('sha256').update(password).digest('hex');
    const allowed = commands.map((command) => `+${command}`);
    const channels = role === 'administrator' ? ['&*'] : ['resetchannels'];
    return ['user', role, 'on', `#${hash}`, ...keys, ...channels, '-@all', ...allowed].join(' ');
  });
  return `user default off resetchannels -@all\n${lines.join('\n')}\n`;
}
