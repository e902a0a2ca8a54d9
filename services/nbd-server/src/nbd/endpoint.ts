import { chmod, lstat, unlink } from 'node:fs/promises';
import net from 'node:net';

export type Endpoint = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string };

export type EndpointErrorCode = 'invalid-endpoint' | 'endpoint-in-use' | 'not-a-socket' | 'cannot-listen';

/** An endpoint that cannot be understood or listened on. */
export class EndpointError extends Error {
  readonly code: EndpointErrorCode;
  constructor(code: EndpointErrorCode, message: string) {
    super(message);
    this.name = 'EndpointError';
    this.code = code;
  }
}

/** sun_path holds 108 bytes with its final zero. */
const maxSocketPathBytes = 107;
const probeTimeoutMs = 1_000;

/** `tcp:host:port` (`tcp:[::1]:port` for IPv6, port 0 for any free one) or `unix:/absolute/path`. */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path.startsWith('/') && Buffer.byteLength(path) <= maxSocketPathBytes) return { kind: 'unix', path };
    const problem = `expected an absolute path of at most ${maxSocketPathBytes} bytes`;
    throw new EndpointError('invalid-endpoint', `${text}: ${problem}, such as unix:/run/salvor/nbd.sock`);
  }
  const match = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) {
    const wanted = 'expected tcp:host:port or unix:/path';
    throw new EndpointError('invalid-endpoint', `${text}: ${wanted}, such as tcp:127.0.0.1:10809`);
  }
  return { kind: 'tcp', host, port };
}

/** The endpoint in the form that `parseEndpoint` takes. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.kind === 'unix'
    ? `unix:${endpoint.path}`
    : `tcp:${bracketed(endpoint.host)}:${endpoint.port}`;
}

/** The NBD URI of an export here, as libnbd and qemu take it (doc/uri.md); which keys to use is for the client to add. */
export function exportUri(endpoint: Endpoint, exportName: string, { isTls = false } = {}): string {
  const name = encodeURIComponent(exportName);
  const scheme = isTls ? 'nbds' : 'nbd';
  if (endpoint.kind === 'tcp') return `${scheme}://${bracketed(endpoint.host)}:${endpoint.port}/${name}`;
  return `${scheme}+unix:///${name}?socket=${encodeURI(endpoint.path)}`;
}

/** Starts listening; resolves with the endpoint as bound. A socket file that nobody listens on is replaced. */
export async function listen(server: net.Server, endpoint: Endpoint, unixMode: number): Promise<Endpoint> {
  if (endpoint.kind === 'tcp') {
    await bind(server, endpoint, { host: endpoint.host, port: endpoint.port });
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : endpoint.port;
    return { ...endpoint, port };
  }
  await removeStaleSocket(endpoint.path);
  await bind(server, endpoint, { path: endpoint.path });
  await chmod(endpoint.path, unixMode);
  return endpoint;
}

function bind(server: net.Server, endpoint: Endpoint, options: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'endpoint-in-use' : 'cannot-listen';
      reject(new EndpointError(code, `cannot listen on ${endpointText(endpoint)}: ${error.message}`));
    };
    server.once('error', failed);
    server.listen(options, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined); // absent, or listening will say why not
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new EndpointError(
      'not-a-socket',
      `unix:${path}: a file that is no socket is in the way; remove it`,
    );
  }
  if (await answers(path)) {
    throw new EndpointError('endpoint-in-use', `unix:${path}: another process listens there`);
  }
  await unlink(path);
}

/** Anything but a clear refusal counts as an answer: a busy server must not lose its socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(path);
    const settle = (isAlive: boolean) => {
      clearTimeout(timer);
      probe.destroy();
      resolve(isAlive);
    };
    const timer = setTimeout(() => settle(true), probeTimeoutMs);
    probe.once('connect', () => settle(true));
    probe.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED'));
  });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
