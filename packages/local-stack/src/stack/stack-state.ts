import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors.ts';
import { claimPort, freePort, releasePort } from '../free-port.ts';
import {
  findProcessesByEnv,
  identifyProcess,
  isSameProcessAlive,
  type ProcessIdentity,
  signalProcess,
} from '../process-identity.ts';
import { ProcessRecord } from '../process-record.ts';
import { until } from '../waiting.ts';

/** What a stack's folder remembers from run to run, in `stack.json`. Other programs read it to find the stack. */
export interface StackFile {
  /** In the environment of every process of the stack, as SALVOR_STACK. */
  id: string;
  /** The process that runs the stack; null when it is stopped. */
  owner: ProcessIdentity | null;
  /** Keys `<server>/<role>`. A stack that comes back has its engines at the addresses that etcd knows. */
  ports: Record<string, number>;
  natsUrl: string | null;
  etcdEndpoints: string[];
  /** URIs without export name, by server: append the vdisk to nbd://host:port/ . */
  nbdServers: Record<string, string>;
}

const FILE = 'stack.json';
const EMPTY: StackFile = {
  id: '',
  owner: null,
  ports: {},
  natsUrl: null,
  etcdEndpoints: [],
  nbdServers: {},
};
const END_TIMEOUT_MS = 10_000;

/** Null when the folder holds no stack. */
export function readStackFile(dir: string): StackFile | null {
  try {
    return { ...EMPTY, ...(JSON.parse(readFileSync(join(dir, FILE), 'utf8')) as Partial<StackFile>) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new StackError('stack-running', `${join(dir, FILE)} cannot be read: ${String(error)}; remove it`, {
      cause: error,
    });
  }
}

/** The claim of this process on a stack's folder. */
export class StackState {
  readonly dir: string;
  readonly record: ProcessRecord;
  readonly #saved: StackFile;
  #file: StackFile;

  private constructor(dir: string, saved: StackFile) {
    this.dir = dir;
    this.record = new ProcessRecord(join(dir, 'processes'));
    this.#saved = saved;
    this.#file = { ...saved, owner: identifyProcess(process.pid), natsUrl: null, nbdServers: {} };
  }

  /** Ends what a killed run left behind. Error `stack-running`: another process runs a stack in this folder. */
  static async claim(dir: string): Promise<StackState> {
    mkdirSync(dir, { recursive: true });
    const saved = readStackFile(dir) ?? { ...EMPTY, id: randomUUID() };
    if (saved.owner !== null && isSameProcessAlive(saved.owner)) {
      throw new StackError(
        'stack-running',
        `a stack runs in ${dir} already, of process ${saved.owner.pid}; stop it or use another folder`,
      );
    }
    const state = new StackState(dir, saved);
    await state.endAll();
    state.#write();
    return state;
  }

  get id(): string {
    return this.#file.id;
  }

  /** True when the folder holds the data of an earlier run. */
  get resumed(): boolean {
    return Object.keys(this.#saved.ports).length > 0;
  }

  /** The port of the earlier run, or a new one. Error `no-free-port`: a stranger has taken it. */
  async port(server: string, role: string): Promise<number> {
    const key = `${server}/${role}`;
    const saved = this.#saved.ports[key];
    if (saved !== undefined && !(await claimPort(saved))) {
      throw new StackError(
        'no-free-port',
        `port ${saved} of ${server} is taken by another program; end that, or remove ${this.dir} to start anew`,
      );
    }
    const port = saved ?? (await freePort());
    this.#file.ports = { ...this.#file.ports, [key]: port };
    return port;
  }

  /** Writes down how to reach the stack. */
  publish(reach: Pick<StackFile, 'natsUrl' | 'etcdEndpoints' | 'nbdServers'>): void {
    this.#file = { ...this.#file, ...reach };
    this.#write();
  }

  /**
   * Kills every recorded process and everything that carries this stack's mark, whoever started it, and waits for its
   * end. Both are needed: a server that sets its process title overwrites its mark, and only children are recorded.
   */
  async endAll(): Promise<void> {
    await this.record.endLeftovers();
    await until(
      () => {
        const left = findProcessesByEnv({ SALVOR_STACK: this.id });
        for (const identity of left) signalProcess(identity, 'SIGKILL');
        return left.length === 0;
      },
      { what: 'the end of every process of the stack', timeoutMs: END_TIMEOUT_MS },
    );
  }

  /** Gives back the folder and its ports. */
  release(): void {
    for (const port of Object.values(this.#file.ports)) releasePort(port);
    this.#file = { ...this.#file, owner: null, natsUrl: null, nbdServers: {} };
    this.#write();
  }

  #write(): void {
    const file = join(this.dir, FILE);
    writeFileSync(`${file}.new`, `${JSON.stringify(this.#file, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  }
}
