import { connect, type Socket } from 'node:net';
import { within } from '@salvor/local-stack';
import { TestkitError } from '../errors.ts';
import { NbdConnectionLostError } from './errors.ts';

/** Where an export is. `tls`: the folder of the certificates, named as libnbd looks for them, with which TLS is spoken. */
export type NbdTarget =
  | { kind: 'tcp'; host: string; port: number; exportName: string; tls?: string }
  | { kind: 'unix'; path: string; exportName: string };

/**
 * nbd://host[:port]/export, nbds://host[:port]/export?tls-certificates=/folder and nbd+unix:///export?socket=/path (doc/uri.md).
 * Error: code `nbd-uri`.
 */
export function parseNbdUri(uri: string): NbdTarget {
  const url = new URL(uri);
  const exportName = decodeURIComponent(url.pathname.replace(/^\//, ''));
  const tls = url.searchParams.get('tls-certificates');
  if (url.protocol === 'nbd:' || (url.protocol === 'nbds:' && tls !== null)) {
    const port = url.port === '' ? 10809 : Number(url.port);
    return { kind: 'tcp', host: url.hostname, port, exportName, ...(tls === null ? {} : { tls }) };
  }
  const path = url.searchParams.get('socket');
  if (url.protocol === 'nbd+unix:' && path !== null) return { kind: 'unix', path, exportName };
  throw new TestkitError(
    'nbd-uri',
    `expected nbd://host:port/export, nbds://host:port/export?tls-certificates=/folder or nbd+unix:///export?socket=/path, found '${uri}'`,
  );
}

export function formatNbdUri(target: NbdTarget): string {
  const name = encodeURIComponent(target.exportName);
  if (target.kind === 'unix') return `nbd+unix:///${name}?socket=${target.path}`;
  const at = `${target.host}:${target.port}/${name}`;
  return target.tls === undefined ? `nbd://${at}` : `nbds://${at}?tls-certificates=${target.tls}`;
}

/** Error: `NbdConnectionLostError`, when nobody listens or nobody answers. */
export async function openSocket(target: NbdTarget, timeoutMs: number): Promise<Socket> {
  const socket =
    target.kind === 'tcp'
      ? connect({ host: target.host, port: target.port, noDelay: true })
      : connect({ path: target.path });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  try {
    await within(opened, timeoutMs, `connection to ${formatNbdUri(target)}`);
    socket.removeAllListeners('error');
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw new NbdConnectionLostError(`cannot connect to ${formatNbdUri(target)}: ${String(error)}`, {
      cause: error,
    });
  }
}
