import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  CONSOLE_ROLE,
  HUMAN_ROLES,
  MAX_LOG_CONTAINERS,
  type NatsRole,
  type NatsUser,
  natsUser,
  natsUsersConfig,
  SERVICE_ROLES,
} from '@salvor/bus';
import { messageOf } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import { CliError, exitCodes } from '../failure.ts';
import { table } from '../rendering/text.ts';
import { keptSecret, replaceFile } from '../secret-files.ts';

const CONFIG = 'nats-users.conf';
const ROLES: readonly NatsRole[] = [...SERVICE_ROLES, CONSOLE_ROLE, ...HUMAN_ROLES];

export const busUsersCommand: Command = {
  name: 'bus users',
  description:
    'Makes a NATS user for each service, for the console, and for three kinds of people (operator, reader, administrator), each with the least that it needs. Writes the seed of each, and a file for the configuration of the NATS servers, into a directory. Seeds that are there stay; the file is made anew, so that the command is given again after an upgrade.',
  positionals: [{ name: 'directory', help: 'of seeds and configuration; made when it is not there' }],
  options: {
    containers: {
      type: 'string',
      value: 'n',
      help: 'streams of the transaction log, as they are given to bus apply (default 4)',
    },
  },
  examples: ['salvor bus users /etc/salvor/nats', 'salvor bus users /etc/salvor/nats --containers 8'],
  async run({ args, paint, print, terminal }) {
    const directory = resolve(terminal.cwd, args.positional('directory'));
    const containers = args.integer('containers', 1, MAX_LOG_CONTAINERS);
    const config = join(directory, CONFIG);
    const made = await orFailed(directory, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const users: (NatsUser & { readonly file: string; readonly isNew: boolean })[] = [];
      for (const role of ROLES) users.push(await userIn(directory, role));
      const text = natsUsersConfig(users, containers === undefined ? {} : { containers });
      await replaceFile(config, text, 0o644);
      return users;
    });
    const users = made.map(({ role, publicKey, file, isNew }) => ({
      ...{ role, publicKey, seed: file, action: isNew ? 'created' : 'kept' },
    }));
    print({ configuration: config, users }, () => {
      const rows = users.map(({ role, publicKey, seed, action }) => [role, publicKey, seed, action]);
      return `${table(paint, ['role', 'public key', 'seed', 'action'], rows, 'no users')}\nin the configuration of each NATS server: include ${config}\n`;
    });
  },
};

async function userIn(
  directory: string,
  role: NatsRole,
): Promise<NatsUser & { readonly file: string; readonly isNew: boolean }> {
  const file = join(directory, `${role}.seed`);
  const { secret, isNew } = await keptSecret(file, () => natsUser(role).seed);
  return { ...natsUser(role, secret), file, isNew };
}

async function orFailed<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CliError(exitCodes.failed, 'users-failed', `${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
