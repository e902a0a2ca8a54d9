import { readFileSync } from 'node:fs';
import tls from 'node:tls';

/** `required`: on TCP nothing but STARTTLS and ABORT is answered in the clear. */
export type TlsMode = 'off' | 'optional' | 'required';

/** How TLS is offered: with a certificate, with pre-shared keys, or with both. Paths of PEM files and of a key file. */
export interface TlsSettings {
  mode: TlsMode;
  certFile?: string | undefined;
  keyFile?: string | undefined;
  /** Clients that show a certificate must show one of this authority, and without PSK they must show one. */
  clientCaFile?: string | undefined;
  /** Lines of `identity:key in hex`, as psktool of GnuTLS writes them. */
  pskFile?: string | undefined;
}

export type TlsSettingsErrorCode = 'tls-incomplete' | 'tls-unreadable' | 'tls-invalid';

/** TLS cannot be offered as configured. */
export class TlsSettingsError extends Error {
  readonly code: TlsSettingsErrorCode;
  constructor(code: TlsSettingsErrorCode, message: string) {
    super(message);
    this.name = 'TlsSettingsError';
    this.code = code;
  }
}

/** Forward secrecy only. TLS 1.3 has no suites for PSK, but a key of a callback counts as one for SHA-256 suites only. */
const tls13Ciphers = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];
const tls13CertificateCiphers = ['TLS_AES_256_GCM_SHA384', ...tls13Ciphers];
const certificateCiphers = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
];
const pskCiphers = ['ECDHE-PSK-CHACHA20-POLY1305', 'DHE-PSK-AES256-GCM-SHA384', 'DHE-PSK-AES128-GCM-SHA256'];

/** Keys shorter than this can be guessed. */
const pskMinBytes = 16;
/** What OpenSSL takes. */
const pskMaxBytes = 256;
const pskIdentityMaxBytes = 128;

/** The options of every TLS server of this process. Throws TlsSettingsError when they cannot work. */
export function tlsOptions(settings: TlsSettings): tls.TlsOptions {
  const { certFile, keyFile, clientCaFile, pskFile } = settings;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new TlsSettingsError(
      'tls-incomplete',
      'a certificate needs its key file, and a key its certificate',
    );
  }
  if (certFile === undefined && pskFile === undefined) {
    throw new TlsSettingsError(
      'tls-incomplete',
      'TLS needs a certificate and its key, or a file of pre-shared keys',
    );
  }
  if (clientCaFile !== undefined && certFile === undefined) {
    throw new TlsSettingsError(
      'tls-incomplete',
      'clients can show certificates only to a server that has one',
    );
  }
  const ciphers = [
    ...(pskFile === undefined ? tls13CertificateCiphers : tls13Ciphers),
    ...(certFile === undefined ? [] : certificateCiphers),
    ...(pskFile === undefined ? [] : pskCiphers),
  ];
  const options: tls.TlsOptions = {
    ciphers: ciphers.join(':'),
    honorCipherOrder: true,
    minVersion: 'TLSv1.2',
    ...(certFile !== undefined && { cert: content(certFile) }),
    ...(keyFile !== undefined && { key: content(keyFile) }),
    ...(clientCaFile !== undefined && {
      ca: content(clientCaFile),
      requestCert: true,
      rejectUnauthorized: true,
    }),
    ...(pskFile !== undefined && { ...pskOptions(parsePskFile(pskFile, content(pskFile).toString('utf8'))) }),
  };
  try {
    tls.createSecureContext(options);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new TlsSettingsError(
      'tls-invalid',
      `the certificate, key or authority is not usable PEM: ${problem}`,
    );
  }
  return options;
}

function pskOptions(keys: ReadonlyMap<string, Buffer>): tls.TlsOptions {
  return { dhparam: 'auto', pskCallback: (_socket, identity) => keys.get(identity) ?? null };
}

const pskLine = /^[^:]+:(?:[0-9a-fA-F]{2})+$/;

/** Key by identity. Throws TlsSettingsError that names the line, never its content. */
export function parsePskFile(path: string, text: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [i, line] of text
    .split('\n')
    .map((each) => each.trim())
    .entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const where = `${path}, line ${i + 1}`;
    if (!pskLine.test(line)) {
      throw new TlsSettingsError(
        'tls-invalid',
        `${where}: expected identity:key in hex, such as psktool writes`,
      );
    }
    const colon = line.indexOf(':');
    const identity = line.slice(0, colon);
    const key = Buffer.from(line.slice(colon + 1), 'hex');
    if (key.length < pskMinBytes || key.length > pskMaxBytes) {
      throw new TlsSettingsError(
        'tls-invalid',
        `${where}: expected a key of ${pskMinBytes} to ${pskMaxBytes} bytes, found ${key.length}`,
      );
    }
    if (Buffer.byteLength(identity) > pskIdentityMaxBytes) {
      throw new TlsSettingsError(
        'tls-invalid',
        `${where}: expected an identity of at most ${pskIdentityMaxBytes} bytes`,
      );
    }
    keys.set(identity, key);
  }
  if (keys.size === 0) throw new TlsSettingsError('tls-invalid', `${path}: no key in it`);
  return keys;
}

function content(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new TlsSettingsError('tls-unreadable', `${path} cannot be read: ${problem}`);
  }
}
