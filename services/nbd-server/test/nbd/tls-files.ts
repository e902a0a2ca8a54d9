import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { run } from './client-programs.ts';
import { temporaryDirectory } from './served.ts';

/** Keys and certificates made for one test, named as libnbd wants them in a directory. */
export interface TlsFiles {
  /** Trusts our authority and has a certificate of it: ca-cert.pem, client-cert.pem, client-key.pem. */
  client: string;
  /** Trusts our authority and has no certificate. */
  anonymous: string;
  /** Trusts our authority but has a certificate of another. */
  stranger: string;
  ca: string;
  serverCert: string;
  serverKey: string;
  /** Holds keys of `alice`. */
  psk: string;
  /** Holds another key of `alice`. */
  wrongPsk: string;
}

export async function makeTlsFiles(t: TestContext): Promise<TlsFiles> {
  const at = await temporaryDirectory(t);
  const [client, anonymous, stranger] = [`${at}/client`, `${at}/anonymous`, `${at}/stranger`];
  for (const directory of [client, anonymous, stranger]) await mkdir(directory);
  await authority(`${at}/ca`);
  await authority(`${at}/other`);
  await certificate(`${at}/ca`, `${at}/server`, 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  await certificate(`${at}/ca`, `${client}/client`, 'extendedKeyUsage=clientAuth');
  await certificate(`${at}/other`, `${stranger}/client`, 'extendedKeyUsage=clientAuth');
  for (const directory of [client, anonymous, stranger]) {
    await run('cp', `${at}/ca-cert.pem`, `${directory}/ca-cert.pem`);
  }
  for (const file of ['psk', 'wrong-psk']) {
    await writeFile(`${at}/${file}`, `alice:${randomBytes(32).toString('hex')}\n`);
  }
  return {
    client,
    anonymous,
    stranger,
    ca: `${at}/ca-cert.pem`,
    serverCert: `${at}/server-cert.pem`,
    serverKey: `${at}/server-key.pem`,
    psk: `${at}/psk`,
    wrongPsk: `${at}/wrong-psk`,
  };
}

const newKey = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

async function authority(name: string): Promise<void> {
  const files = ['-keyout', `${name}-key.pem`, '-out', `${name}-cert.pem`];
  await run('openssl', ...newKey, '-x509', ...files, '-subj', '/CN=authority', '-days', '2');
}

async function certificate(issuer: string, name: string, extension: string): Promise<void> {
  const request = `${name}.csr`;
  const subject = ['-subj', '/CN=localhost', '-addext', extension];
  await run('openssl', ...newKey, '-keyout', `${name}-key.pem`, '-out', request, ...subject);
  const signing = ['-CA', `${issuer}-cert.pem`, '-CAkey', `${issuer}-key.pem`, '-CAcreateserial'];
  const copied = ['-copy_extensions', 'copyall', '-days', '2'];
  await run('openssl', 'x509', '-req', '-in', request, ...signing, ...copied, '-out', `${name}-cert.pem`);
  await rm(request);
}
