import { StackError } from '../errors.ts';
import {
  findProcessesByEnv,
  isSameProcessAlive,
  type ProcessIdentity,
  signalProcess,
} from '../process-identity.ts';
import { answersOk } from '../servers.ts';
import { until } from '../waiting.ts';

export interface NbdServerPlace {
  name: string;
  port: number;
  socketPath: string;
  httpPort: number;
  stackId: string;
  isTls: boolean;
}

const EXIT_TIMEOUT_MS = 10_000;

/** An NBD server of the stack, whoever started it: usually log-watcher, which also starts it again. */
export class NbdServerHandle {
  readonly #place: NbdServerPlace;

  constructor(place: NbdServerPlace) {
    this.#place = place;
  }

  get name(): string {
    return this.#place.name;
  }
  get port(): number {
    return this.#place.port;
  }

  /** nbd://127.0.0.1:<port>/<vdisk>, or nbds:// */
  uri(vdisk: string): string {
    return `${this.#place.isTls ? 'nbds' : 'nbd'}://127.0.0.1:${this.#place.port}/${encodeURIComponent(vdisk)}`;
  }

  /** nbd+unix:///<vdisk>?socket=<path> */
  unixUri(vdisk: string): string {
    return `nbd+unix:///${encodeURIComponent(vdisk)}?socket=${this.#place.socketPath}`;
  }

  /** Null while it does not run. */
  identity(): ProcessIdentity | null {
    const { stackId, name } = this.#place;
    return findProcessesByEnv({ SALVOR_STACK: stackId, SALVOR_SERVER_ID: name })[0] ?? null;
  }

  /** Error: `not-running`. */
  signal(signal: NodeJS.Signals): ProcessIdentity {
    const identity = this.identity();
    if (identity === null || !signalProcess(identity, signal)) {
      throw new StackError('not-running', `${this.name} does not run: cannot send ${signal}`);
    }
    return identity;
  }

  /** Sends the signal and waits for the end of that very process; a new one may be there by then. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const identity = this.signal(signal);
    await until(() => !isSameProcessAlive(identity), {
      what: `${this.name} to end after ${signal}`,
      timeoutMs: EXIT_TIMEOUT_MS,
    });
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Until it answers that it is ready to serve. */
  async waitUntilReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await until(() => answersOk(`http://127.0.0.1:${this.#place.httpPort}/readyz`), {
      what: `${this.name} to be ready`,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
  }
}
