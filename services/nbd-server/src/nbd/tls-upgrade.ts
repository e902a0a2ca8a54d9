import type { Socket } from 'node:net';
import tls from 'node:tls';

/**
 * Starts TLS, as the server, on a socket that has carried plain bytes so far. Until it resolves the caller must not read
 * from or write to `socket`, and afterwards only use what it resolves with. Rejects, with both sockets closed, when the
 * handshake fails, takes longer than `timeoutMs`, or the client does not show what `options` ask for.
 */
export function startTls(socket: Socket, options: tls.TlsOptions, timeoutMs: number): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    // A server of its own tells whose handshake ended, and handing it a socket is its documented way in.
    const server = tls.createServer({ ...options, handshakeTimeout: timeoutMs }, resolve);
    server.on('tlsClientError', failed);
    socket.once('close', () => reject(new Error('the connection closed during the TLS handshake')));
    server.emit('connection', socket);
  });
}
