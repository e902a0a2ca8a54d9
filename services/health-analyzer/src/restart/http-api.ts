import type { z } from 'zod';
import { type HttpAnswer, type HttpPlace, type HttpRequest, httpExchange } from './http-exchange.ts';
import { RestartError } from './restart-driver.ts';

export interface HttpApiOptions {
  /** Who answers, for sentences: `Docker`. */
  readonly name: string;
  readonly place: HttpPlace;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What an answer that was not expected says, in words. */
  readonly saidIn: (text: string) => string;
}

/** The API of whoever runs the engines: an answer is as expected, or an error that says what it was. */
export class HttpApi {
  readonly #options: HttpApiOptions;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  /**
   * What `GET path` gives, as `schema` has it.
   *
   * @throws RestartError
   */
  async read<T>(schema: z.ZodType<T>, path: string, signal: AbortSignal): Promise<T> {
    const { text } = await this.ask({ method: 'GET', path }, 200, signal);
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      const { name } = this.#options;
      throw new RestartError(
        'restart-failed',
        `the answer to GET ${path} is not what ${name}'s API says: ${text.slice(0, 120)}`,
      );
    }
  }

  /**
   * One request, whose answer must have the status that is expected.
   *
   * @throws RestartError
   */
  async ask(request: HttpRequest, expected: number, signal: AbortSignal): Promise<HttpAnswer> {
    const { name, place, headers, saidIn } = this.#options;
    const answer = await httpExchange(
      place,
      { ...request, headers: { ...headers, ...request.headers } },
      signal,
    );
    if (answer.status === expected) return answer;
    const { method, path } = request;
    throw new RestartError(
      'restart-failed',
      `${name} answered ${method} ${path} with ${answer.status}, expected ${expected}: ${saidIn(answer.text) || 'no message'}`,
    );
  }
}
