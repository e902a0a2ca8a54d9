import { z } from 'zod';
import { HttpApi } from './http-api.ts';
import { filledIn, type RestartDriver, RestartError, type RestartTarget } from './restart-driver.ts';

export interface NomadDriverOptions {
  /** http://host:4646 */
  readonly baseUrl: string;
  readonly namespace: string;
  /** The job that the engine is a part of; {address}, {host} and {port} are filled in. */
  readonly job: string;
  /** The task in its allocation, likewise; empty for all tasks. */
  readonly task: string;
  /** An ACL token with `alloc-lifecycle` and `read-job`; empty where Nomad runs without ACLs. */
  readonly token: string;
}

/** Of `GET /v1/job/:job_id/allocations`. */
const listedSchema = z.array(
  z.looseObject({ ID: z.string(), Name: z.string(), ClientStatus: z.string(), DesiredStatus: z.string() }),
);

const portSchema = z.looseObject({ Value: z.number(), HostIP: z.string().default('') });
const networkSchema = z.looseObject({
  IP: z.string().default(''),
  ReservedPorts: z.array(portSchema).nullish(),
  DynamicPorts: z.array(portSchema).nullish(),
});
const networksSchema = z.looseObject({ Networks: z.array(networkSchema).nullish() });
/** Of `GET /v1/allocation/:alloc_id`: ports of the group are `Shared`, older jobs have them in their tasks. */
const allocationSchema = z.looseObject({
  AllocatedResources: z
    .looseObject({
      Shared: z
        .looseObject({
          Networks: z.array(networkSchema).nullish(),
          Ports: z.array(portSchema).nullish(),
        })
        .nullish(),
      Tasks: z.record(z.string(), networksSchema).nullish(),
    })
    .nullish(),
});

/** Restarts the allocation that an engine runs in, in place, through Nomad's HTTP API. */
export class NomadDriver implements RestartDriver {
  readonly name = 'nomad';
  readonly #options: NomadDriverOptions;
  readonly #api: HttpApi;

  constructor(options: NomadDriverOptions) {
    const { baseUrl, token } = options;
    this.#options = options;
    this.#api = new HttpApi({
      name: 'Nomad',
      place: { baseUrl },
      headers: token === '' ? {} : { 'x-nomad-token': token },
      // Nomad's errors are plain text.
      saidIn: (text) => text.trim().slice(0, 200),
    });
  }

  async restart(target: RestartTarget, signal: AbortSignal): Promise<string> {
    const job = filledIn(this.#options.job, target);
    const list = `/v1/job/${encodeURIComponent(job)}/allocations${this.#query()}`;
    const listed = await this.#api.read(listedSchema, list, signal);
    // Nomad says the same of a job that it does not know.
    if (listed.length === 0)
      throw refusal(`Nomad has no allocation of job ${job} in namespace ${this.#options.namespace}`);
    const live = listed.filter(
      ({ ClientStatus, DesiredStatus }) => ClientStatus === 'running' && DesiredStatus === 'run',
    );
    const { ID, Name } = await this.#choose(live, job, target, signal);
    const restart = `/v1/client/allocation/${encodeURIComponent(ID)}/restart${this.#query()}`;
    const task = filledIn(this.#options.task, target);
    const body = task === '' ? {} : { TaskName: task };
    await this.#api.ask({ method: 'POST', path: restart, body }, 200, signal);
    return `Nomad restarted ${task === '' ? 'the tasks' : `task ${task}`} of allocation ${Name} (${ID.slice(0, 8)})`;
  }

  /** The only running allocation of the job, else the one that has the engine's port. */
  async #choose(
    live: z.infer<typeof listedSchema>,
    job: string,
    target: RestartTarget,
    signal: AbortSignal,
  ): Promise<{ ID: string; Name: string }> {
    const [only] = live;
    if (only === undefined) {
      throw refusal(
        `job ${job} has no running allocation: Nomad itself starts, or gave up, what does not run`,
      );
    }
    if (live.length === 1) return only;
    const fitting: { ID: string; Name: string }[] = [];
    for (const allocation of live) {
      const path = `/v1/allocation/${encodeURIComponent(allocation.ID)}${this.#query()}`;
      const read = await this.#api.read(allocationSchema, path, signal);
      if (hasPort(read, target)) fitting.push(allocation);
    }
    const [fit] = fitting;
    if (fitting.length === 1 && fit !== undefined) return fit;
    throw refusal(
      `expected one of the ${live.length} running allocations of job ${job} to have ${target.address}, found ${fitting.length}`,
    );
  }

  #query(): string {
    return `?namespace=${encodeURIComponent(this.#options.namespace)}`;
  }
}

function hasPort(
  { AllocatedResources: resources }: z.infer<typeof allocationSchema>,
  { host, port }: RestartTarget,
): boolean {
  const networks = [
    ...(resources?.Shared?.Networks ?? []),
    ...Object.values(resources?.Tasks ?? {}).flatMap(({ Networks }) => Networks ?? []),
  ];
  const places = [
    ...(resources?.Shared?.Ports ?? []).map(({ Value, HostIP }) => ({ ip: HostIP, value: Value })),
    ...networks.flatMap(({ IP, ReservedPorts, DynamicPorts }) =>
      [...(ReservedPorts ?? []), ...(DynamicPorts ?? [])].map(({ Value }) => ({ ip: IP, value: Value })),
    ),
  ];
  // A host that is a name is not resolved here: then the port alone decides.
  const isName = !/^[\d.]+$|:/.test(host);
  return places.some(({ ip, value }) => String(value) === port && (isName || ip === '' || ip === host));
}

function refusal(message: string): RestartError {
  return new RestartError('restart-refused', message);
}
