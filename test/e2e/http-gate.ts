import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deadline } from '@salvor/service-kit';

/** A request that stands still. */
export interface HeldRequest {
  readonly url: string;
  /** It goes on. Resolves when its client has the answer, or is gone. */
  release(): Promise<void>;
}

/** `before`: the server has not seen it; `behind`: the server has done it, and the client does not know. */
export type HeldWhere = 'before' | 'behind';

interface Hold {
  readonly where: HeldWhere;
  readonly matches: (method: string, url: string) => boolean;
  readonly held: (request: HeldRequest) => void;
}

/** Stands in front of an HTTP server, and holds requests where a test wants to do something. */
export class HttpGate {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  #hold: Hold | null = null;

  private constructor(target: URL) {
    this.#target = { host: target.hostname, port: Number(target.port) };
    this.#server = createServer((from, to) => {
      this.#pass(from, to).catch(() => to.destroy());
    });
  }

  static async before(endpoint: string): Promise<HttpGate> {
    const gate = new HttpGate(new URL(endpoint));
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when the next request of that kind stands still. */
  hold(where: HeldWhere, matches: Hold['matches'], timeoutMs: number): Promise<HeldRequest> {
    const held = new Promise<HeldRequest>((resolve) => {
      this.#hold = { where, matches, held: resolve };
    });
    return deadline(held, timeoutMs, 'a request that is held');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #pass(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const body: Buffer[] = [];
    for await (const part of from) body.push(part as Buffer);
    const hold = this.#hold;
    const isHeld = hold?.matches(from.method ?? '', from.url ?? '') === true;
    if (isHeld) this.#hold = null;
    if (isHeld && hold.where === 'before') await this.#stand(hold, from, to);
    const { status, headers, data } = await this.#forward(from, Buffer.concat(body));
    if (isHeld && hold.where === 'behind') await this.#stand(hold, from, to);
    to.writeHead(status, headers).end(data);
  }

  #stand({ held }: Hold, { url = '' }: IncomingMessage, to: ServerResponse): Promise<void> {
    return new Promise((goOn) => {
      held({
        url,
        release: () =>
          new Promise((answered) => {
            to.once('close', answered);
            if (to.destroyed) answered();
            goOn();
          }),
      });
    });
  }

  #forward(
    { method, url, headers }: IncomingMessage,
    body: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; data: Buffer }> {
    return new Promise((resolve, reject) => {
      const onward = request({ ...this.#target, method, path: url, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 500, headers: answer.headers, data: Buffer.concat(parts) }),
        );
      });
      onward.on('error', reject);
      onward.end(body);
    });
  }
}
