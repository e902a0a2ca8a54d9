import { z } from 'zod';
import { HttpApi } from './http-api.ts';
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

/** A shorter beginning of an id may be that of several containers, or a name that is meant for another one. */
const SHORT_ID_LENGTH = 12;

/** Restarts the container that an engine runs in, through the API of the Docker Engine. */
export class DockerDriver implements RestartDriver {
  readonly name = 'docker';
  readonly #options: DockerDriverOptions;
  readonly #api: HttpApi;

  constructor(options: DockerDriverOptions) {
    this.#options = options;
    this.#api = new HttpApi({ name: 'Docker', place: { socketPath: options.socketPath }, saidIn });
  }

  async restart(target: RestartTarget, signal: AbortSignal): Promise<string> {
    const wanted = filledIn(this.#options.container, target);
    const id = wanted.startsWith('label:') ? await this.#idByLabel(wanted.slice(6), signal) : wanted;
    const inspect = `/containers/${encodeURIComponent(id)}/json`;
    const { Id, Name, State } = await this.#api.read(inspectedSchema, inspect, signal);
    const name = `container ${Name.replace(/^\//, '')}`;
    // Docker takes a name that no container has for the beginning of an id: `22005` may be anybody's.
    if (Name !== `/${id}` && !(id.length >= SHORT_ID_LENGTH && Id.startsWith(id)))
      throw refusal(`no container has the name ${id}; ${name} only has an id that begins so`);
    // Docker would restart it, and so end the pause.
    if (State.Paused) throw refusal(`${name} is paused: somebody wants it so; unpause it`);
    if (State.Dead) throw refusal(`${name} is dead, so Docker cannot start it; create it anew`);
    if (State.Restarting) throw refusal(`${name} is being restarted by Docker already`);
    const path = `/containers/${encodeURIComponent(Id)}/restart?t=${this.#options.stopSeconds}`;
    await this.#api.ask({ method: 'POST', path }, 204, signal);
    return `Docker restarted ${name}, which was ${State.Status}`;
  }

  async #idByLabel(label: string, signal: AbortSignal): Promise<string> {
    const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
    const found = await this.#api.read(listedSchema, `/containers/json?all=true&filters=${filters}`, signal);
    const [only] = found;
    if (found.length === 1 && only !== undefined) return only.Id;
    throw refusal(`expected one container with the label ${label}, found ${found.length}`);
  }
}

function refusal(message: string): RestartError {
  return new RestartError('restart-refused', message);
}

function saidIn(text: string): string {
  try {
    return errorSchema.parse(JSON.parse(text)).message;
  } catch {
    return text.slice(0, 200);
  }
}
