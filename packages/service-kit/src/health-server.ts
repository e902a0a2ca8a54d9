import { createServer, type Server, type ServerResponse } from 'node:http';
import { deadline } from './deadline.ts';
import { messageOf } from './errors.ts';
import type { Metrics } from './metrics.ts';

/** Answers null when all is well, else a sentence that says what is not. */
export type ReadinessCheck = () => string | null | Promise<string | null>;

export interface HealthServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly metrics: Metrics;
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

/** A check that answers later counts as failed: whoever asks for readiness waits no longer either. */
const CHECK_TIMEOUT_MS = 2_000;

/** `/healthz` (the event loop turns), `/readyz` (503 while a check fails or the service drains), `/metrics`. */
export class HealthServer {
  readonly #server: Server;
  readonly #options: HealthServerOptions;
  #checks: HealthServerOptions['checks'];
  #draining = false;

  private constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#checks = options.checks;
    options.metrics.gaugesFrom(
      'salvor_check_ok',
      'Whether a check of /readyz passes: 1, else 0',
      ['check'],
      async () => {
        const problems = await this.#problems();
        return Object.keys({ ...this.#checks, ...problems }).map(
          (check) => [{ check }, check in problems ? 0 : 1] as const,
        );
      },
    );
    this.#server = createServer((request, response) => {
      this.#answer(request.url ?? '/', response).catch((error: unknown) =>
        send(response, 500, { error: messageOf(error) }),
      );
    });
  }

  static async start(options: HealthServerOptions): Promise<HealthServer> {
    const health = new HealthServer(options);
    await new Promise<void>((resolve, reject) => {
      health.#server.once('error', reject);
      health.#server.listen(options.port, options.host, resolve);
    });
    return health;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Replaces the checks, when more is known than at the start. */
  setChecks(checks: HealthServerOptions['checks']): void {
    this.#checks = checks;
  }

  setDraining(): void {
    this.#draining = true;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(url: string, response: ServerResponse): Promise<void> {
    switch (url.split('?')[0]) {
      case '/healthz':
        return send(response, 200, { status: 'ok' });
      case '/readyz': {
        const problems = await this.#problems();
        const ready = Object.keys(problems).length === 0;
        return send(
          response,
          ready ? 200 : 503,
          ready ? { status: 'ready' } : { status: 'not ready', problems },
        );
      }
      case '/metrics':
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(await this.#options.metrics.text());
        return;
      default:
        return send(response, 404, { error: 'there are /healthz, /readyz and /metrics' });
    }
  }

  async #problems(): Promise<Record<string, string>> {
    const problems: Record<string, string> = this.#draining ? { service: 'is shutting down' } : {};
    const asked = Object.entries(this.#checks).map(async ([name, check]) => {
      const answer = deadline(
        Promise.resolve().then(check),
        CHECK_TIMEOUT_MS,
        `the answer of check '${name}'`,
      );
      const problem = await answer.catch(messageOf);
      if (problem !== null) problems[name] = problem;
    });
    await Promise.all(asked);
    return problems;
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
