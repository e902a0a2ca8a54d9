import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { endWithParent } from './end-with-parent.ts';
import { StackError } from './errors.ts';
import { identifyProcess } from './process-identity.ts';
import type { ProcessRecord } from './process-record.ts';
import { until, within } from './waiting.ts';

export interface ProcessSpec {
  /** For messages and file names. */
  name: string;
  command: string;
  args: readonly string[];
  /** The whole environment of the child; default: that of this process. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** stdout and stderr are appended here by the child itself, so it outlives a parent without SIGPIPE. */
  logFile: string;
  /** Asked every 20 ms until true. A throw means "not yet". Default: ready once spawned. */
  ready?: (process: ManagedProcess) => boolean | Promise<boolean>;
  /** Default 10 s. */
  readyTimeoutMs?: number;
  /** How long `stop` waits after SIGTERM before SIGKILL; default 5 s. */
  stopTimeoutMs?: number;
  /** Where to note pid and start time, so that a later run can end what a killed parent left. */
  record?: ProcessRecord;
}

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const TAIL_BYTES = 4096;
const EXIT_TIMEOUT_MS = 10_000;

/** One child process in its own process group, with its log, its readiness and its end. */
export class ManagedProcess {
  #spec: ProcessSpec;
  #child: ChildProcess | null = null;
  #exited: Promise<ProcessExit> | null = null;
  #lastExit: ProcessExit | null = null;
  #logStart = 0;
  #paused = false;
  #starts = 0;

  constructor(spec: ProcessSpec) {
    this.#spec = spec;
  }

  static async start(spec: ProcessSpec): Promise<ManagedProcess> {
    const managed = new ManagedProcess(spec);
    await managed.start();
    return managed;
  }

  get name(): string {
    return this.#spec.name;
  }
  get spec(): Readonly<ProcessSpec> {
    return this.#spec;
  }
  get logFile(): string {
    return this.#spec.logFile;
  }
  /** Undefined while not running. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }
  get running(): boolean {
    return this.#child !== null;
  }
  get paused(): boolean {
    return this.#paused;
  }
  /** How often it was started, the first start included. */
  get starts(): number {
    return this.#starts;
  }
  /** How the last run ended; null before the first end. */
  get lastExit(): ProcessExit | null {
    return this.#lastExit;
  }

  /** Starts it and waits until it is ready. Errors: `already-running`, `program-missing`, `process-exited`, `not-ready`. */
  async start(changes: Partial<ProcessSpec> = {}): Promise<void> {
    if (this.#child !== null) throw new StackError('already-running', `${this.name} runs as ${this.pid}`);
    this.#spec = { ...this.#spec, ...changes };
    await this.#spawn();
    try {
      await this.#waitUntilReady();
    } catch (error) {
      await this.kill('SIGKILL').catch(() => undefined);
      throw error;
    }
  }

  /** Ends it if it runs (SIGTERM), and starts it again, with changes to its specification if any. */
  async restart(changes: Partial<ProcessSpec> = {}): Promise<void> {
    await this.stop();
    await this.start(changes);
  }

  /** Sends a signal to the process alone, not to its group. Error: `not-running`. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child?.kill(signal) !== true) {
      throw new StackError('not-running', `${this.name} does not run: cannot send ${signal}`);
    }
  }

  /** Sends a signal that ends the process and waits for its end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessExit> {
    if (this.#child === null || this.#exited === null) {
      if (this.#lastExit !== null) return this.#lastExit;
      throw new StackError('not-running', `${this.name} was never started`);
    }
    const exited = this.#exited;
    this.signal(signal);
    if (signal !== 'SIGKILL') this.resume();
    return within(exited, EXIT_TIMEOUT_MS, `${this.name} to end after ${signal}`);
  }

  /** The process stops running but keeps its sockets: peers see silence, not a closed connection. */
  pause(): void {
    this.signal('SIGSTOP');
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.signal('SIGCONT');
    this.#paused = false;
  }

  /** SIGTERM, then SIGKILL for the whole group after `stopTimeoutMs`. Nothing to do when it does not run. */
  async stop(): Promise<void> {
    if (this.#child === null || this.#exited === null) return;
    const exited = this.#exited;
    this.signal('SIGTERM');
    this.resume();
    try {
      await within(exited, this.#spec.stopTimeoutMs ?? 5_000, `${this.name} to end after SIGTERM`);
    } catch {
      this.killGroup();
      await within(exited, EXIT_TIMEOUT_MS, `${this.name} to end after SIGKILL`);
    }
  }

  /** Waits for the end of the running process. Error: `deadline`. */
  async waitForExit(timeoutMs: number): Promise<ProcessExit> {
    if (this.#exited === null) throw new StackError('not-running', `${this.name} was never started`);
    return within(this.#exited, timeoutMs, `${this.name} to end`);
  }

  /** SIGKILL for the process and everything in its group. Only while the leader is unreaped: its id is still its own. */
  killGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** The last bytes this run wrote to its log. */
  tail(maxBytes: number = TAIL_BYTES): string {
    if (!existsSync(this.#spec.logFile)) return '';
    const file = openSync(this.#spec.logFile, 'r');
    try {
      const size = fstatSync(file).size;
      const from = Math.max(this.#logStart, size - maxBytes);
      const bytes = Buffer.alloc(Math.max(0, size - from));
      readSync(file, bytes, 0, bytes.length, from);
      return bytes.toString('utf8').trimEnd();
    } finally {
      closeSync(file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #spawn(): Promise<void> {
    const { name, command, args, logFile, cwd, env, record } = this.#spec;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    let child: ChildProcess;
    try {
      this.#logStart = fstatSync(log).size;
      child = spawn(command, [...args], {
        detached: true,
        stdio: ['ignore', log, log],
        env: env ?? process.env,
        ...(cwd === undefined ? {} : { cwd }),
      });
      await once(child, 'spawn');
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const advice = missing ? `; is '${command}' installed and on PATH?` : '';
      throw new StackError('program-missing', `${name} did not start: ${String(error)}${advice}`, {
        cause: error,
      });
    } finally {
      closeSync(log);
    }
    this.#child = child;
    this.#starts++;
    this.#paused = false;
    const release = endWithParent(this);
    const identity = child.pid === undefined ? null : identifyProcess(child.pid);
    if (identity !== null) record?.add(name, identity);
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#child = null;
        this.#lastExit = { code, signal };
        release();
        if (identity !== null) record?.remove(identity);
        resolve({ code, signal });
      });
    });
  }

  async #waitUntilReady(): Promise<void> {
    const { name, ready, readyTimeoutMs = 10_000 } = this.#spec;
    if (ready === undefined) return;
    const outcome = await until(
      async () => {
        if (this.#child === null) return 'exited';
        return (await ready(this)) && this.#child !== null ? 'ready' : false;
      },
      { what: `${name} to be ready`, timeoutMs: readyTimeoutMs },
    ).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new StackError('not-ready', `${name}: ${why}; it last said:\n${this.tail()}`, { cause: error });
    });
    if (outcome === 'ready') return;
    const { code, signal } = this.#lastExit ?? { code: null, signal: null };
    throw new StackError(
      'process-exited',
      `${name} ended (${signal ?? `code ${code}`}) before it was ready; it last said:\n${this.tail()}`,
    );
  }
}
