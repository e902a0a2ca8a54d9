import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StackError } from './errors.ts';

const run = promisify(execFile);

/** Named as QEMU and libnbd look for them in a directory (`tls-creds-x509`, `tls-certificates`). */
export interface CertificateFiles {
  readonly dir: string;
  readonly ca: string;
  /** Signs further certificates: needed by nobody who runs. */
  readonly caKey: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

export interface CertificateOptions {
  /** Names and addresses by which servers are reached, beside `localhost`, 127.0.0.1 and ::1. */
  readonly hosts?: readonly string[];
  /** Of servers and clients; default 365. */
  readonly days?: number;
  /** Servers and clients get new certificates of the same authority; default false: what is there stays. */
  readonly isRenewed?: boolean;
}

export const DEFAULT_CERTIFICATE_DAYS = 365;
const AUTHORITY_DAYS = 3_650;
const HOST_NAME =
  /^[A-Za-z0-9_*]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export function certificateFiles(dir: string): CertificateFiles {
  const file = (name: string): string => join(dir, `${name}.pem`);
  return {
    dir,
    ca: file('ca-cert'),
    caKey: file('ca-key'),
    serverCert: file('server-cert'),
    serverKey: file('server-key'),
    clientCert: file('client-cert'),
    clientKey: file('client-key'),
  };
}

/**
 * Makes an authority, and certificates of it for servers and for clients, with OpenSSL. Keys are readable by their owner alone.
 *
 * @throws StackError `certificates-failed`
 */
export async function makeCertificates(
  dir: string,
  options: CertificateOptions = {},
): Promise<CertificateFiles> {
  const files = certificateFiles(dir);
  const { hosts = [], days = DEFAULT_CERTIFICATE_DAYS, isRenewed = false } = options;
  const names = ['localhost', '127.0.0.1', '::1', ...hosts].map(alternativeName);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (!existsSync(files.ca)) {
    await openssl(
      ...['req', '-x509', ...NEW_KEY, '-keyout', files.caKey, '-out', files.ca],
      ...['-subj', `/CN=Salvor authority ${randomBytes(4).toString('hex')}`, '-days', String(AUTHORITY_DAYS)],
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    );
    await chmod(files.caKey, 0o600);
  }
  const missing = (cert: string): boolean => isRenewed || !existsSync(cert);
  // etcd asks itself with the certificate of the server: it is one of a client, too.
  const server = ['extendedKeyUsage=serverAuth,clientAuth', `subjectAltName=${names.join(',')}`];
  if (missing(files.serverCert)) await certify(files, files.serverCert, files.serverKey, days, server);
  if (missing(files.clientCert))
    await certify(files, files.clientCert, files.clientKey, days, ['extendedKeyUsage=clientAuth']);
  return files;
}

async function certify(
  { ca, caKey, dir }: CertificateFiles,
  cert: string,
  key: string,
  days: number,
  extensions: readonly string[],
): Promise<void> {
  if (!existsSync(caKey)) {
    throw new StackError(
      'certificates-failed',
      `${caKey}: the key of the authority is needed for a new certificate, and is not there`,
    );
  }
  const [request, extra] = [join(dir, 'request.csr'), join(dir, 'extensions.cnf')];
  try {
    await openssl('req', '-new', ...NEW_KEY, '-keyout', `${key}.new`, '-out', request, '-subj', '/CN=salvor');
    await writeFile(extra, `basicConstraints=critical,CA:FALSE\n${extensions.join('\n')}\n`);
    await openssl(
      ...[
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        ca,
        '-CAkey',
        caKey,
        '-extfile',
        extra,
        '-out',
        `${cert}.new`,
      ],
      ...['-set_serial', `0x${randomBytes(8).toString('hex')}`, '-days', String(days)],
    );
    await chmod(`${key}.new`, 0o600);
    await rename(`${key}.new`, key);
    await rename(`${cert}.new`, cert);
  } finally {
    await Promise.all([request, extra].map((path) => rm(path, { force: true })));
  }
}

function alternativeName(host: string): string {
  if (isIP(host) !== 0) return `IP:${host}`;
  if (HOST_NAME.test(host)) return `DNS:${host}`;
  throw new StackError('certificates-failed', `expected a host name or an IP address, found '${host}'`);
}

async function openssl(...args: string[]): Promise<void> {
  try {
    await run('openssl', args);
  } catch (error) {
    throw new StackError('certificates-failed', `openssl ${args[0]}: ${String(error)}`, { cause: error });
  }
}
