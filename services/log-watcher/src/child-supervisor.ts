import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { type Logger, messageOf } from '@salvor/service-kit';
import { z } from 'zod';
import type { Announcement } from './announcement.ts';
import { Bell } from './bell.ts';
import { whileFrozen } from './frozen-group.ts';
import {
  groupMembers,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  processIdentitySchema,
  signalGroup,
} from './process-identity.ts';
import { decideRestartDelay } from './restart-delay.ts';
import { forget, readStored, storeNow } from './stored-json.ts';

export interface ChildOptions {
  /** Id of the server that runs in it. */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly restart: boolean;
  /** The longest wait before it is started again. */
  readonly restartMaxMs: number;
  /** Where the running child is on record. */
  readonly recordPath: string;
  /** Files that the child writes to by itself, so that it needs nobody to read. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  readonly tell: (announcement: Announcement) => void;
  readonly log: Logger;
}

interface Running {
  readonly identity: ProcessIdentity;
  /** Milliseconds since 1970 UTC. */
  readonly startedAt: number;
  readonly restarts: number;
  /** The wait before this run, null when there was none. */
  readonly delayMs: number | null;
}

const recordSchema: z.ZodType<Running> = z.object({
  identity: processIdentitySchema,
  startedAt: z.number(),
  restarts: z.int().min(0),
  delayMs: z.number().nullable(),
});

/** An adopted child is no child of this process, so nobody tells of its end. */
const ADOPTED_POLL_MS = 100;
/** A child killed hard is gone after this, or hangs in the kernel. */
const KILL_TIMEOUT_MS = 1_000;

/**
 * Keeps one process running in a group of its own. The death of this service does not touch it: the next start finds it by
 * its record, and goes on.
 */
export class ChildSupervisor {
  readonly #options: ChildOptions;
  readonly #ended = new Bell();
  #running: Running | null = null;
  #restarts = 0;
  #delayMs: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  /** 0 while nothing runs. */
  get pid(): number {
    return this.#running?.identity.pid ?? 0;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    const { recordPath, log } = this.#options;
    const record = readStored(recordPath, recordSchema);
    if (record === null) return this.#spawn();
    this.#running = record;
    this.#restarts = record.restarts;
    this.#delayMs = record.delayMs;
    if (!isAlive(record.identity)) {
      log.warn({ pid: record.identity.pid }, 'child ended while nobody watched');
      return this.#end(null, null, 0);
    }
    log.info({ pid: record.identity.pid }, 'child adopted');
    if (existsSync(this.#frozenPath)) {
      signalGroup(record.identity.pid, 'SIGCONT');
      forget(this.#frozenPath);
    }
    this.#watchAdopted(record);
  }

  /** Does something short while the child cannot write; at once when nothing runs. */
  whileSilent(act: () => boolean): boolean {
    return this.#running === null ? act() : whileFrozen(this.#running.identity, this.#frozenPath, act);
  }

  /** Ends the child, hard when it takes longer than `timeoutMs`, and does not start it again. */
  async stop(timeoutMs: number): Promise<void> {
    this.leave();
    if (this.#running === null) return;
    this.#stopping = true;
    const { identity } = this.#running;
    signalGroup(identity.pid, 'SIGTERM');
    if (await this.#hasEnded(timeoutMs)) return;
    this.#options.log.warn({ pid: identity.pid, timeoutMs }, 'child did not end in time, killing it');
    signalGroup(identity.pid, 'SIGKILL');
    await this.#hasEnded(KILL_TIMEOUT_MS);
  }

  /** Starts nothing any more; what runs goes on. */
  leave(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
  }

  get #frozenPath(): string {
    return `${this.#options.recordPath}.frozen`;
  }

  #spawn(): void {
    const { command, env, stdoutPath, stderrPath, log } = this.#options;
    const [program, ...args] = command;
    const startedAt = Date.now();
    const outputs: number[] = [];
    try {
      outputs.push(openAtLineStart(stdoutPath), openAtLineStart(stderrPath));
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', ...outputs],
        env: { ...process.env, ...env },
      });
      this.#watchSpawned(child, startedAt);
    } catch (error) {
      log.error({ command: program, error: messageOf(error) }, 'child could not be started');
      this.#endUnstarted(startedAt);
    } finally {
      for (const fd of outputs) closeSync(fd);
    }
  }

  #watchSpawned(child: ChildProcess, startedAt: number): void {
    const { name, command, recordPath, tell, log } = this.#options;
    const { pid } = child;
    const identity = pid === undefined ? null : identifyProcess(pid);
    child.on('error', (error) => {
      log.error({ command: command[0], error: error.message }, 'child could not be started');
      if (identity === null) this.#endUnstarted(startedAt);
    });
    if (identity === null) return;
    this.#running = { identity, startedAt, restarts: this.#restarts, delayMs: this.#delayMs };
    try {
      storeNow(recordPath, this.#running);
    } catch (error) {
      log.error({ pid, error: messageOf(error) }, 'child is not on record, the next start will not find it');
    }
    child.on('exit', (code, signal) => this.#end(code, signal));
    log.info({ pid: identity.pid, command: command[0] }, 'child started');
    tell({ type: 'nbdserver.started', payload: { server: name, pid: identity.pid, at: startedAt } });
  }

  #watchAdopted(running: Running): void {
    const timer = setInterval(() => {
      if (isAlive(running.identity)) return;
      clearInterval(timer);
      this.#end(null, null);
    }, ADOPTED_POLL_MS);
  }

  #endUnstarted(startedAt: number): void {
    const identity = { pid: 0, startTicks: '', bootId: '' };
    this.#running = { identity, startedAt, restarts: this.#restarts, delayMs: this.#delayMs };
    this.#end(null, null);
  }

  #end(code: number | null, signal: string | null, restartInMs = this.#nextDelayMs()): void {
    if (this.#running === null) return;
    const { name, recordPath, tell, log } = this.#options;
    const { pid } = this.#running.identity;
    this.#running = null;
    this.#killLeftovers(pid);
    log.warn({ pid, code, signal, restartInMs }, 'child ended');
    tell({
      type: 'nbdserver.exited',
      payload: {
        server: name,
        code: code ?? undefined,
        signal: signal ?? undefined,
        restartInMs,
        at: Date.now(),
      },
    });
    forget(recordPath);
    this.#ended.ring();
    if (restartInMs === undefined) return;
    this.#delayMs = restartInMs === 0 ? null : restartInMs;
    this.#timer = setTimeout(() => {
      this.#restarts += 1;
      this.#spawn();
    }, restartInMs);
  }

  /** A wrapper that died must not leave behind what holds its port. No group is left when the id belongs to somebody new. */
  #killLeftovers(pid: number): void {
    if (pid === 0 || identifyProcess(pid) !== null) return;
    const left = groupMembers(pid);
    if (left.length === 0) return;
    this.#options.log.warn({ pids: left }, 'child left processes behind, killing them');
    signalGroup(pid, 'SIGKILL');
  }

  #nextDelayMs(): number | undefined {
    if (this.#stopping || !this.#options.restart || this.#running === null) return undefined;
    return decideRestartDelay(
      this.#delayMs,
      Date.now() - this.#running.startedAt,
      this.#options.restartMaxMs,
    );
  }

  async #hasEnded(timeoutMs: number): Promise<boolean> {
    const giveUpAt = performance.now() + timeoutMs;
    while (this.#running !== null && performance.now() < giveUpAt)
      await this.#ended.wait(giveUpAt - performance.now());
    return this.#running === null;
  }
}

/** What a dead child left unfinished must not swallow the first line of the next one. */
function openAtLineStart(path: string): number {
  const fd = openSync(path, 'a+', 0o600);
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a) writeSync(fd, '\n');
  return fd;
}
