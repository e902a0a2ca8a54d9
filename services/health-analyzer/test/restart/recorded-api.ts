import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

/** One answer of an API: what was asked, and what came back. */
export interface RecordedAnswer {
  /** `GET /containers/redis-22005/json` */
  readonly request: string;
  readonly status: number;
  readonly contentType?: string | undefined;
  /** Byte for byte; empty for an answer without a body. */
  readonly text: string;
}

/** What {@link RecordedAnswer} is, by its content: what an answer was written down as that was not recorded. */
export interface WrittenAnswer {
  readonly request: string;
  readonly status: number;
  /** Plain text, or what is sent as JSON. */
  readonly body: unknown;
}

export function asRecorded({ request, status, body }: WrittenAnswer): RecordedAnswer {
  return typeof body === 'string'
    ? { request, status, contentType: 'text/plain', text: body }
    : { request, status, contentType: 'application/json', text: JSON.stringify(body) };
}

/** What was said in one situation, as often as it was said. */
export interface Recording {
  readonly situation: string;
  /** What the driver was told to look for. */
  readonly container: string;
  readonly answers: readonly RecordedAnswer[];
}

/** An HTTP server that replays recorded answers, and keeps what it was asked. */
export class RecordedApi implements AsyncDisposable {
  connections = 0;
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
          outgoing.writeHead(501, { 'content-type': 'text/plain' });
          outgoing.end(`not recorded: ${request}`);
          return;
        }
        const { status, contentType, text } = answer;
        outgoing.writeHead(status, contentType === undefined ? {} : { 'content-type': contentType });
        outgoing.end(text);
      });
    });
    this.#server.on('connection', () => {
      this.connections++;
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

/** A file of `answers`. */
export function answersIn<T>(file: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'answers', file), 'utf8')) as T;
}
