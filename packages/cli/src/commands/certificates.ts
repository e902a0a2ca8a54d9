import { join, resolve } from 'node:path';
import { isId } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { CliError, exitCodes, failureOf, usageError } from '../failure.ts';
import { properties } from '../rendering/text.ts';

const MAX_DAYS = 3_650;

export const certificatesCommand: Command = {
  name: 'certificates',
  description:
    'Makes an authority and certificates for servers and clients with openssl, to try TLS or where there is no authority of your own. Files have the names that QEMU and libnbd look for. What is there stays; --renew makes new certificates of the same authority.',
  positionals: [{ name: 'directory', help: 'of certificates and keys; made when it is not there' }],
  options: {
    host: {
      type: 'string',
      value: 'names',
      help: 'names and addresses by which servers are reached, comma-separated, beside localhost, 127.0.0.1 and ::1',
    },
    authorities: {
      type: 'string',
      value: 'names',
      help: 'several authorities that do not trust each other, each in a folder of its name, comma-separated',
    },
    days: { type: 'string', value: 'n', help: 'how long certificates are good for (default 365)' },
    renew: { type: 'boolean', help: 'new certificates for servers and clients' },
  },
  examples: [
    'salvor certificates /etc/salvor/tls --host 10.0.0.1,10.0.0.2,storage.example.net',
    'salvor certificates /etc/salvor/tls --authorities nats,etcd --host 10.0.0.1',
    'salvor certificates /etc/salvor/tls --renew --host 10.0.0.1,10.0.0.2,storage.example.net',
  ],
  async run({ args, paint, print, terminal }) {
    const directory = resolve(terminal.cwd, args.positional('directory'));
    const hosts = listed(args.text('host'));
    const authorities = listed(args.text('authorities'));
    const strange = authorities.find((name) => !isId(name));
    if (strange !== undefined) throw usageError(`--authorities: expected names, found '${strange}'`);
    const days = args.integer('days', 1, MAX_DAYS);
    const { makeCertificates } = await import('@salvor/local-stack');
    const made = await Promise.all(
      (authorities.length === 0 ? [directory] : authorities.map((name) => join(directory, name))).map(
        (folder) =>
          makeCertificates(folder, {
            ...{ hosts, isRenewed: args.flag('renew') },
            ...(days === undefined ? {} : { days }),
          }),
      ),
    ).catch((error: unknown) => {
      throw new CliError(exitCodes.failed, 'certificates-failed', failureOf(error).message, { cause: error });
    });
    print(authorities.length === 0 ? made[0] : { authorities: made }, () =>
      made
        .map((files) =>
          properties(paint, [
            ['authority', files.ca],
            ['its key', `${files.caKey} (keep it elsewhere: it signs further certificates)`],
            ['servers', `${files.serverCert}, ${files.serverKey}`],
            ['clients', `${files.clientCert}, ${files.clientKey}`],
          ]),
        )
        .join('\n'),
    );
  },
};

function listed(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
