/** Runs the built command line as a process of its own, as a shell would. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export const mainPath = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  stdin?: Uint8Array | string;
}

/** A process whose output can be waited for. */
export class SalvorProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<number | null>;
  readonly #listeners = new Set<() => void>();
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], { env = {}, cwd, stdin }: RunOptions = {}) {
    this.#child = spawn(process.execPath, [mainPath, ...args], {
      // Nothing of the caller's environment must choose the server.
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...env },
      ...(cwd === undefined ? {} : { cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#exited = once(this.#child, 'close').then(([code]) => code as number | null);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#heard('stdout', text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => this.#heard('stderr', text));
    this.#child.stdin.on('error', () => undefined);
    this.#child.stdin.end(stdin);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until stdout satisfies the condition. */
  async until(condition: (stdout: string) => boolean, timeoutMs = 10_000): Promise<string> {
    const endsAt = performance.now() + timeoutMs;
    while (!condition(this.stdout)) {
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) throw new Error(`not seen on stdout:\n${this.stdout}\nstderr:\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, leftMs);
        const listeners = this.#listeners;
        function done() {
          clearTimeout(timer);
          listeners.delete(done);
          resolve();
        }
        listeners.add(done);
      });
    }
    return this.stdout;
  }

  async end(timeoutMs = 20_000): Promise<Ran> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs);
    const code = await this.#exited;
    clearTimeout(timer);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  #heard(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    for (const listener of [...this.#listeners]) listener();
  }
}

export function runSalvor(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new SalvorProcess(args, options).end();
}
