import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import type { TlsFiles } from './connection.ts';

const TIMEOUT_MS = 3_000;

/**
 * When the certificate that a NATS server shows expires, in Unix milliseconds. The server speaks first, in the clear (INFO), and
 * then the client begins with TLS. Source: NATS documentation, "Client Protocol".
 *
 * @param server `nats://host:port`
 * @throws when the server cannot be reached, or its certificate is not trusted
 */
export function serverCertificateEnd(server: string, tls: TlsFiles): Promise<number> {
  const { hostname, port } = new URL(server);
  const host = hostname.replace(/^\[|\]$/g, '');
  const content = (path: string): Buffer => readFileSync(path);
  const options: ConnectionOptions = {
    host,
    ...(tls.caFile === undefined ? {} : { ca: content(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { cert: content(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { key: content(tls.keyFile) }),
  };
  return new Promise((resolve, reject) => {
    const plain: Socket = connect({ host, port: Number(port) });
    plain.setTimeout(TIMEOUT_MS, () => plain.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    plain.once('error', reject);
    plain.once('close', () => reject(new Error('the server closed the connection')));
    plain.once('data', () => {
      const secure = tlsConnect({ ...options, socket: plain }, () => {
        resolve(Date.parse(secure.getPeerCertificate().valid_to));
        plain.destroy();
      });
      secure.once('error', reject);
    });
  });
}
