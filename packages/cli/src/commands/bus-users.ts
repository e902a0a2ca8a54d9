import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  CONSOLE_ROLE,
  HUMAN_ROLES,
  MAX_LOG_CONTAINERS,
  type NatsRole,
  type NatsUser,
  natsPeopleFile,
  natsUser,
  natsUsersConfig,
  SERVICE_ROLES,
} from '@salvor/bus';
import { messageOf } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { table } from '../rendering/text.ts';
import { keptSecret, replaceFile } from '../secret-files.ts';

const CONFIG = 'nats-users.conf';
const PEOPLE = 'nats-people.json';
const ROLES: readonly NatsRole[] = [...SERVICE_ROLES, CONSOLE_ROLE, ...HUMAN_ROLES];

export const busUsersCommand: Command = {
  name: 'bus users',
  description:
    'Makes a NATS user for each service, for the console, and for three kinds of people (operator, reader, administrator), each with the least that it needs. Writes the seed of each, and a file for the configuration of the NATS servers, into a directory. Seeds that are there stay; the file is made anew, so that the command is given again after an upgrade.',
  positionals: [{ name: 'directory', help: 'of seeds and configuration; made when it is not there' }],
  options: {
    person: {
      type: 'string',
      value: 'list',
      help: 'people with a user of their own, comma-separated: <name>:operator or <name>:reader',
    },
    containers: {
      type: 'string',
      value: 'n',
      help: 'streams of the transaction log, as they are given to bus apply (default 4)',
    },
  },
  examples: [
    'salvor bus users /etc/salvor/nats',
    'salvor bus users /etc/salvor/nats --person anna:operator,bob:reader',
    'salvor bus users /etc/salvor/nats --containers 8',
  ],
  async run({ args, paint, print, terminal }) {
    const directory = resolve(terminal.cwd, args.positional('directory'));
    const containers = args.integer('containers', 1, MAX_LOG_CONTAINERS);
    const config = join(directory, CONFIG);
    const people = peopleOf(args.text('person') ?? '');
    const made = await orFailed(directory, async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const users: (NatsUser & { readonly file: string; readonly isNew: boolean })[] = [];
      for (const role of ROLES) users.push(await userIn(directory, role, role));
      for (const { name, role } of people) users.push(await userIn(directory, role, name));
      const text = natsUsersConfig(users, containers === undefined ? {} : { containers });
      await replaceFile(config, text, 0o644);
      await replaceFile(join(directory, PEOPLE), natsPeopleFile(users), 0o644);
      return users;
    });
    const users = made.map(({ name, role, publicKey, file, isNew }) => ({
      ...{ name, role, publicKey, seed: file, action: isNew ? 'created' : 'kept' },
    }));
    print({ configuration: config, people: join(directory, PEOPLE), users }, () => {
      const rows = users.map(({ name, role, publicKey, seed, action }) => [
        name,
        role,
        publicKey,
        seed,
        action,
      ]);
      return `${table(paint, ['name', 'role', 'public key', 'seed', 'action'], rows, 'no users')}\nin the configuration of each NATS server, which takes the path from its own folder: include ${CONFIG}\nfor services: SALVOR_NATS_PEOPLE_FILE=${join(directory, PEOPLE)}\n`;
    });
  },
};

/** `<name>:<role>`, comma-separated. Throws usage errors. */
function peopleOf(list: string): { name: string; role: 'operator' | 'reader' }[] {
  const people = list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const [, name, role] = /^([A-Za-z0-9_-]{1,64}):(operator|reader)$/.exec(item) ?? [];
      if (name === undefined || ROLES.some((each) => each === name))
        throw usageError(
          `--person: expected <name>:operator or <name>:reader, no name of a role, found '${item}'`,
        );
      return { name, role: role === 'reader' ? ('reader' as const) : ('operator' as const) };
    });
  if (new Set(people.map(({ name }) => name)).size < people.length)
    throw usageError('--person: expected each name once');
  return people;
}

async function userIn(
  directory: string,
  role: NatsRole,
  name: string,
): Promise<NatsUser & { readonly file: string; readonly isNew: boolean }> {
  const file = join(directory, `${name}.seed`);
  const { secret, isNew } = await keptSecret(file, () => natsUser(role).seed);
  return { ...natsUser(role, secret, name), file, isNew };
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
