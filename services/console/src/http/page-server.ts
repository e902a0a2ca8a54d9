import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type Logger, messageOf, type ServerTls } from '@salvor/service-kit';
import type { ActionDesk } from '../actions/action-desk.ts';
import type { Feed } from '../feed/feed.ts';
import type { Asset } from './assets.ts';
import { type Answer, readBody } from './request-body.ts';

export interface PageServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Undefined: plain HTTP. */
  readonly tls: ServerTls | undefined;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly feed: Feed;
  /** Null: the console only shows. */
  readonly actions: ActionDesk | null;
  readonly log: Logger;
}

const CONNECTIONS_MAX = 512;
const REQUEST_TIMEOUT_MS = 10_000;

/** Nothing from elsewhere, nothing inline, in nobody's frame; text becomes markup by no way. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The page, its live feed (`/events`) and its actions (`/actions`). */
export class PageServer {
  readonly #options: PageServerOptions;
  readonly #server: Server;

  private constructor(options: PageServerOptions) {
    this.#options = options;
    const limits = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
    this.#server =
      options.tls === undefined
        ? createServer(limits)
        : createTlsServer({ ...limits, ...options.tls, minVersion: 'TLSv1.2' });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('request', (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.#options.log.warn({ error: messageOf(error), url: request.url }, 'request failed');
        send(response, { status: 500, body: { code: 'internal', message: 'the console could not answer' } });
      });
    });
  }

  static async start(options: PageServerOptions): Promise<PageServer> {
    const page = new PageServer(options);
    await new Promise<void>((resolve, reject) => {
      page.#server.once('error', reject);
      page.#server.listen(options.port, options.host, resolve);
    });
    return page;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get url(): string {
    const { tls, host } = this.#options;
    return `${tls === undefined ? 'http' : 'https'}://${host}:${this.port}/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    if (path === '/events') return this.#serveEvents(request, response);
    if (path === '/actions') return this.#serveActions(request, response);
    const asset = this.#options.assets.get(path);
    if (asset === undefined)
      return send(response, refusal(404, 'not-found', 'there are /, /events and /actions'));
    if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed(response, 'GET, HEAD');
    const headers = { ...HEADERS, 'cache-control': 'no-cache', etag: asset.etag };
    if (request.headers['if-none-match'] === asset.etag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, {
      ...headers,
      'content-type': asset.type,
      'content-length': asset.body.byteLength,
    });
    response.end(request.method === 'HEAD' ? undefined : asset.body);
  }

  #serveEvents(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET') return notAllowed(response, 'GET');
    response.setHeader('content-type', 'text/event-stream; charset=utf-8');
    response.setHeader('cache-control', 'no-store');
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!this.#options.feed.add(response)) {
      response.removeHeader('content-type');
      send(response, refusal(503, 'too-many-pages', 'too many pages look at this console; close some'));
    }
  }

  async #serveActions(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { actions } = this.#options;
    if (request.method !== 'POST') return notAllowed(response, 'POST');
    if (actions === null)
      return send(response, refusal(403, 'read-only', 'this console has no token, so it only shows'));
    const answer = await readBody(request, (body) => actions.act(request.headers, body));
    send(response, answer);
  }
}

function notAllowed(response: ServerResponse, allowed: string): void {
  response.setHeader('allow', allowed);
  send(response, refusal(405, 'method-not-allowed', `allowed here: ${allowed}`));
}

function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
