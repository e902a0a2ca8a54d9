import { z } from 'zod';
import { type HttpAnswer, type HttpRequest, httpExchange } from './http-exchange.ts';
import { filledIn, type RestartDriver, RestartError, type RestartTarget } from './restart-driver.ts';

export interface DockerDriverOptions {
  /** The engine's API, version 1.24 and later (`/var/run/docker.sock`). */
  readonly socketPath: string;
  /** The container's name, or `label:<name>=<value>`; {address}, {host} and {port} are filled in. */
  readonly container: string;
  /** How long the container has to end by itself before it is killed, in seconds. */
  readonly stopSeconds: number;
}

/** Of `GET /containers/json`. */
const listedSchema = z.array(z.looseObject({ Id: z.string() }));
/** Of `GET /containers/{id}/json`. */
const inspectedSchema = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  State: z.looseObject({
    Status: z.string(),
    Paused: z.boolean(),
    Restarting: z.boolean(),
    Dead: z.boolean(),
  }),
});
/** Of every answer from 400 on. */
const errorSchema = z.looseObject({ message: z.string() });

/** Restarts the container that an engine runs in, through the API of the Docker Engine. */
export class DockerDriver implements RestartDriver {
  readonly name = 'docker';
  readonly #options: DockerDriverOptions;

  constructor(options: DockerDriverOptions) {
    this.#options = options;
  }

  async restart(target: RestartTarget, signal: AbortSignal): Promise<string> {
    const wanted = filledIn(this.#options.container, target);
    const id = wanted.startsWith('label:') ? await this.#idByLabel(wanted.slice(6), signal) : wanted;
    const inspect = `/containers/${encodeURIComponent(id)}/json`;
    const answer = await this.#ask({ method: 'GET', path: inspect }, signal, [200]);
    const { Id, Name, State } = parsed(inspectedSchema, answer, inspect);
    const name = `container ${Name.replace(/^\//, '')}`;
    if (State.Paused) throw refusal(`${name} is paused: somebody wants it so; unpause it`);
    if (State.Dead) throw refusal(`${name} is dead, so Docker cannot start it; create it anew`);
    if (State.Restarting) throw refusal(`${name} is being restarted by Docker already`);
    const restart = `/containers/${encodeURIComponent(Id)}/restart?t=${this.#options.stopSeconds}`;
    await this.#ask({ method: 'POST', path: restart }, signal, [204]);
    return `Docker restarted ${name}, which was ${State.Status}`;
  }

  async #idByLabel(label: string, signal: AbortSignal): Promise<string> {
    const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
    const list = `/containers/json?all=true&filters=${filters}`;
    const found = parsed(listedSchema, await this.#ask({ method: 'GET', path: list }, signal, [200]), list);
    const [only] = found;
    if (found.length === 1 && only !== undefined) return only.Id;
    throw refusal(`expected one container with the label ${label}, found ${found.length}`);
  }

  async #ask(request: HttpRequest, signal: AbortSignal, expected: readonly number[]): Promise<HttpAnswer> {
    const answer = await httpExchange({ socketPath: this.#options.socketPath }, request, signal);
    if (expected.includes(answer.status)) return answer;
    const { method, path } = request;
    const what = `Docker answered ${method} ${path} with ${answer.status}, expected ${expected.join(' or ')}`;
    throw new RestartError('restart-failed', `${what}: ${messageIn(answer.text)}`);
  }
}

function refusal(message: string): RestartError {
  return new RestartError('restart-refused', message);
}

function parsed<T>(schema: z.ZodType<T>, { text }: HttpAnswer, path: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new RestartError(
      'restart-failed',
      `the answer to GET ${path} is not what Docker's API says: ${text.slice(0, 120)}`,
    );
  }
}

function messageIn(text: string): string {
  try {
    return errorSchema.parse(JSON.parse(text)).message;
  } catch {
    return text.slice(0, 200) || 'no message';
  }
}
