import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { messageOf } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import { CliError, exitCodes } from '../failure.ts';
import { table } from '../rendering/text.ts';
import { keptSecret, replaceFile } from '../secret-files.ts';

const ACL_FILE = 'engine-users.acl';
const PASSWORD_BYTES = 32;

export const engineUsersCommand: Command = {
  name: 'engine users',
  description:
    'Makes a user of the storage engines for each service that talks to them, and one for people, each with the commands and keys that it needs. Writes the password of each, and an ACL file for the engines, into a directory. Passwords that are there stay; the file is made anew, so that the command is given again after an upgrade.',
  positionals: [{ name: 'directory', help: 'of passwords and ACL file; made when it is not there' }],
  options: {},
  examples: ['salvor engine users /etc/salvor/engines'],
  async run({ args, paint, print, terminal }) {
    const { ENGINE_ROLES, engineUsersFile } = await import('@salvor/vdisk');
    const directory = resolve(terminal.cwd, args.positional('directory'));
    const aclFile = join(directory, ACL_FILE);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const users = [];
      for (const role of ENGINE_ROLES) {
        const file = join(directory, `${role}.password`);
        const kept = await keptSecret(file, () => randomBytes(PASSWORD_BYTES).toString('base64url'));
        users.push({ role, file, password: kept.secret, action: kept.isNew ? 'created' : 'kept' });
      }
      await replaceFile(aclFile, engineUsersFile(users), 0o640);
      const told = users.map(({ role, file, action }) => ({ user: role, password: file, action }));
      print({ aclFile, users: told }, () => {
        const rows = told.map(({ user, password, action }) => [user, password, action]);
        return `${table(paint, ['user', 'password', 'action'], rows, 'no users')}\nin the configuration of each engine: aclfile ${aclFile}\n`;
      });
    } catch (error) {
      throw new CliError(exitCodes.failed, 'users-failed', `${directory}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  },
};
