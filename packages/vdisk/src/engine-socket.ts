import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';
import { clientTls, codeOf, type TlsMaterial } from '@salvor/service-kit';
import type { EngineLogin } from './engine-login.ts';
import { EngineError } from './errors.ts';

/** Where an engine listens, and how long to wait for it. */
export interface EnginePlace {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** Path of the unix socket on which the same engine listens, when it runs on this host. */
  readonly unixSocket?: string | undefined;
  readonly connectTimeoutMs: number;
  readonly login?: EngineLogin | undefined;
}

/** Bytes a socket delivers, in memory that is used again right after the call. */
export type TakeBytes = (bytes: Buffer, length: number) => void;

/** One for all sockets of the thread: what arrives is worked off before the next read. */
const receiveBuffer = Buffer.allocUnsafeSlow(256 << 10);

/**
 * Connects to an engine: through its unix socket where there is one that answers, which costs a third less CPU, else
 * through TCP. It is the same engine either way, and every link checks its identity before first use.
 *
 * @throws EngineError `unreachable` or `timeout`
 */
export async function openSocket(place: EnginePlace, take: TakeBytes | null): Promise<Socket> {
  if (place.unixSocket === undefined) return openVia(place, null, take);
  try {
    return await openVia(place, place.unixSocket, take);
  } catch (error) {
    // A socket file may be left from an earlier run that listened on it; what counts is the address.
    if (error instanceof EngineError && error.fault === 'unreachable') return openVia(place, null, take);
    throw error;
  }
}

function openVia(
  { address, connectTimeoutMs, login }: EnginePlace,
  path: string | null,
  take: TakeBytes | null,
): Promise<Socket> {
  const onread = {
    buffer: receiveBuffer,
    callback: (length: number, bytes: Uint8Array): boolean => {
      take?.(bytes as Buffer, length);
      return true;
    },
  };
  return new Promise((resolve, reject) => {
    const tls = path === null ? login?.tls : undefined;
    const place = { ...(path === null ? parseAddress(address) : { path }), onread };
    const socket =
      tls === undefined ? connect(place) : tlsConnect({ ...place, secureContext: contextOf(tls) });
    let isOpen = false;
    const giveUp = (): void => {
      if (isOpen) return;
      socket.destroy();
      reject(
        new EngineError(
          'timeout',
          `engine ${address} did not accept a connection within ${connectTimeoutMs} ms`,
        ),
      );
    };
    // A loop that was busy for so long calls its timers first: what has come meanwhile is heard before the engine is blamed.
    const timer = setTimeout(() => setImmediate(giveUp), connectTimeoutMs);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      isOpen = true;
      clearTimeout(timer);
      socket.removeAllListeners('error');
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(unreachable(address, error));
    });
  });
}

/**
 * The unix socket of an engine that runs on this host; undefined for all others.
 *
 * @param template path in which `{port}` stands for the engine's port; undefined where engines have no such sockets
 */
export function unixSocketOf(template: string | undefined, address: string): string | undefined {
  if (template === undefined) return undefined;
  const { host, port } = parseAddress(address);
  return isThisHost(host) ? template.replaceAll('{port}', String(port)) : undefined;
}

function isThisHost(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host.startsWith('127.')) return true;
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host));
}

/** Splits `host:port`; IPv6 hosts stand in brackets. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new EngineError(
      'unreachable',
      `engine address: expected host:port, found ${JSON.stringify(address)}`,
    );
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

/** One for all links with the same material: to read certificates anew for each would cost more than the handshake. */
const contexts = new WeakMap<TlsMaterial, SecureContext>();

function contextOf(tls: TlsMaterial): SecureContext {
  const known = contexts.get(tls);
  if (known !== undefined) return known;
  const context = createSecureContext(clientTls(tls));
  contexts.set(tls, context);
  return context;
}

/**
 * That one of the two does not trust the other says nothing about the engine's data: a wrong authority, a certificate that
 * has expired, or none where one is asked for (Node's `X509_V_ERR` names, and what OpenSSL says of alerts).
 */
const UNTRUSTED =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|ERR_TLS_CERT|INVALID_|HOSTNAME_MISMATCH|ERR_SSL_)/;

/**
 * With TLS 1.3 a client is done before the server has looked at its certificate: one that does not trust it closes the connection
 * then, often before its alert is read. An engine that dies at this very moment is not there any more when it is asked again.
 */
export function cutBehindHandshake(address: string, error: unknown): unknown {
  if (!(error instanceof EngineError) || error.fault !== 'unreachable') return error;
  return new EngineError(
    'login-refused',
    `engine ${address} closed the connection behind the handshake of TLS: does it trust the certificate shown to it? ${error.message}`,
  );
}

export function unreachable(address: string, error: Error): EngineError {
  if (UNTRUSTED.test(codeOf(error)))
    return new EngineError('login-refused', `engine ${address}: TLS failed: ${error.message}`);
  return new EngineError('unreachable', `engine ${address} cannot be reached: ${error.message}`);
}
