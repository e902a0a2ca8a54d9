import { resolve } from 'node:path';
import type { Command } from '../command.ts';
import { CliError, exitCodes, failureOf } from '../failure.ts';
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
    days: { type: 'string', value: 'n', help: 'how long certificates are good for (default 365)' },
    renew: { type: 'boolean', help: 'new certificates for servers and clients' },
  },
  examples: [
    'salvor certificates /etc/salvor/tls --host 10.0.0.1,10.0.0.2,storage.example.net',
    'salvor certificates /etc/salvor/tls --renew --host 10.0.0.1,10.0.0.2,storage.example.net',
  ],
  async run({ args, paint, print, terminal }) {
    const directory = resolve(terminal.cwd, args.positional('directory'));
    const hosts = (args.text('host') ?? '')
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== '');
    const days = args.integer('days', 1, MAX_DAYS);
    const { makeCertificates } = await import('@salvor/local-stack');
    const files = await makeCertificates(directory, {
      ...{ hosts, isRenewed: args.flag('renew') },
      ...(days === undefined ? {} : { days }),
    }).catch((error: unknown) => {
      throw new CliError(exitCodes.failed, 'certificates-failed', failureOf(error).message, { cause: error });
    });
    print(files, () =>
      properties(paint, [
        ['authority', files.ca],
        ['its key', `${files.caKey} (keep it elsewhere: it signs further certificates)`],
        ['servers', `${files.serverCert}, ${files.serverKey}`],
        ['clients', `${files.clientCert}, ${files.clientKey}`],
      ]),
    );
  },
};
