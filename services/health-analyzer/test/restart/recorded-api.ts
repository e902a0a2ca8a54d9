import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

/** One answer of an API: what was asked, and what came back, byte for byte in shape. */
export interface RecordedAnswer {
  /** `GET /containers/redis-22005/json` */
  readonly request: string;
  readonly status: number;
  /** JSON, or plain text. */
  readonly body?: unknown;
}

/** An HTTP server that replays recorded answers, and keeps what it was asked. */
export class RecordedApi implements AsyncDisposable {
  readonly asked: { request: string; body: string; headers: Readonly<Record<string, unknown>> }[] = [];
  readonly #server: Server;

  private constructor(answers: readonly RecordedAnswer[]) {
    this.#server = createServer((incoming, outgoing) => {
      let body = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (text: string) => {
        body += text;
      });
      incoming.on('end', () => {
        const request = `${incoming.method} ${incoming.url}`;
        this.asked.push({ request, body, headers: incoming.headers });
        const answer = answers.find((one) => one.request === request);
        if (answer === undefined) {
          outgoing.writeHead(404, { 'content-type': 'application/json' });
          outgoing.end(JSON.stringify({ message: `page not found: ${request}` }));
          return;
        }
        const isText = typeof answer.body === 'string';
        outgoing.writeHead(answer.status, { 'content-type': isText ? 'text/plain' : 'application/json' });
        outgoing.end(
          answer.body === undefined ? undefined : isText ? answer.body : JSON.stringify(answer.body),
        );
      });
    });
  }

  /** Listens on a unix socket, or on a free port of this machine. */
  static async start(answers: readonly RecordedAnswer[], socketPath?: string): Promise<RecordedApi> {
    const api = new RecordedApi(answers);
    await new Promise<void>((resolve, reject) => {
      api.#server.once('error', reject);
      if (socketPath === undefined) api.#server.listen(0, '127.0.0.1', resolve);
      else api.#server.listen(socketPath, resolve);
    });
    return api;
  }

  get baseUrl(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('it listens on a socket');
    return `http://127.0.0.1:${bound.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function recorded(file: string): RecordedAnswer[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'answers', file), 'utf8')) as RecordedAnswer[];
}
