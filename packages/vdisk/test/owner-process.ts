import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '@salvor/testkit';

export const LEASE_SECONDS = 2;

/** An owner in another process, which can be stopped without its knowledge. */
export class OwnerProcess {
  readonly lines: Record<string, unknown>[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** @param spreadSteps steps of a spread after which it goes no further; default: it is not held back */
  constructor(endpoint: string, vdisk: string, server: string, spreadSteps?: number) {
    const script = join(import.meta.dirname, 'writing-owner.ts');
    const args = ['--import', 'tsx', script, endpoint, vdisk, server, String(LEASE_SECONDS)];
    if (spreadSteps !== undefined) args.push(String(spreadSteps));
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#exited = once(this.#child, 'exit');
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no stdout');
    createInterface(stdout).on('line', (line) =>
      this.lines.push(JSON.parse(line) as Record<string, unknown>),
    );
  }

  async waitFor(member: string): Promise<unknown> {
    await until(() => this.lines.some((line) => member in line), {
      what: `the owner process to say '${member}', it said ${JSON.stringify(this.lines.slice(-3))}`,
      timeoutMs: 30_000,
    });
    return this.lines.find((line) => member in line)?.[member];
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Blocks its event loop for four times its lease; it goes on by itself. */
  block(): void {
    this.#child.kill('SIGUSR2');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
