import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, SalvorError } from './errors.ts';

/** Paths of PEM files; empty = not used. With an authority the link is TLS. */
export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What a client of TLS holds, as PEM texts: plain data that can go to another thread. */
export interface TlsMaterial {
  /** Authorities of which the server must show a certificate, in the name by which it was reached. */
  readonly ca: string;
  /** Shown to servers that ask for one, with the key. */
  readonly cert?: string;
  readonly privateKey?: string;
}

export type TlsMaterialErrorCode = 'tls-incomplete' | 'tls-unreadable' | 'tls-invalid';

/** TLS cannot be spoken as configured. */
export class TlsMaterialError extends SalvorError {
  constructor(code: TlsMaterialErrorCode, message: string) {
    super(code, message);
  }
}

/**
 * Reads what a client needs; undefined when no authority is named.
 *
 * @param part what the links go to, for messages: `NATS`, `ETCD`, `ENGINE`
 * @throws TlsMaterialError; no message tells what is in a file
 */
export function readTlsMaterial(part: string, { ca, cert, key }: TlsPaths): TlsMaterial | undefined {
  const variable = (name: string): string => `SALVOR_${part}_TLS_${name}`;
  if ((cert === '') !== (key === '')) throw halfSet(variable);
  if (ca === '') {
    if (cert === '') return undefined;
    throw new TlsMaterialError(
      'tls-incomplete',
      `${variable('CERT')} is set and ${variable('CA')} is not: a certificate is shown to servers of a known authority only`,
    );
  }
  const material: TlsMaterial = {
    ca: pem(variable('CA'), ca),
    ...(cert === '' ? {} : { cert: pem(variable('CERT'), cert), privateKey: pem(variable('KEY'), key) }),
  };
  checkUsable(clientTls(material), [ca, cert, key]);
  return material;
}

/** What a server of TLS shows, as PEM texts. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
}

/** Reads what a server needs; undefined when no certificate is named. @throws TlsMaterialError */
export function serverTls(part: string, { cert, key }: Omit<TlsPaths, 'ca'>): ServerTls | undefined {
  const variable = (name: string): string => `SALVOR_${part}_TLS_${name}`;
  if ((cert === '') !== (key === '')) throw halfSet(variable);
  if (cert === '') return undefined;
  const read: ServerTls = { cert: pem(variable('CERT'), cert), key: pem(variable('KEY'), key) };
  checkUsable(read, [cert, key]);
  return read;
}

/** What Node's TLS clients take. */
export function clientTls({ ca, cert, privateKey }: TlsMaterial): {
  ca: string;
  minVersion: 'TLSv1.2';
  cert?: string;
  key?: string;
} {
  return {
    ca,
    minVersion: 'TLSv1.2',
    ...(cert === undefined ? {} : { cert }),
    ...(privateKey === undefined ? {} : { key: privateKey }),
  };
}

function halfSet(variable: (name: string) => string): TlsMaterialError {
  return new TlsMaterialError(
    'tls-incomplete',
    `${variable('CERT')} and ${variable('KEY')} are set together or not at all`,
  );
}

function checkUsable(context: SecureContextOptions, paths: readonly string[]): void {
  try {
    createSecureContext(context);
  } catch (error) {
    const files = paths.filter((path) => path !== '').join(', ');
    throw new TlsMaterialError('tls-invalid', `${files}: no usable PEM: ${messageOf(error)}`);
  }
}

function pem(namedBy: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new TlsMaterialError('tls-unreadable', `${namedBy}: ${messageOf(error)}`);
  }
  if (text.includes('-----BEGIN ')) return text;
  throw new TlsMaterialError('tls-invalid', `${namedBy}: expected PEM in ${path}`);
}
