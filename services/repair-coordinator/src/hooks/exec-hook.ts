/** A hook that is a program: no shell, its own process group, nothing of our environment that it need not have. */
import { spawn } from 'node:child_process';
import { type HookAttempt, type HookRunRecord, hookDetailCharsMax } from '@salvor/config-store';
import { messageOf } from '@salvor/service-kit';
import { cloudEvent } from './cloud-event.ts';
import type { ExecHook } from './hook-file.ts';

/** What an attempt came to. */
export type AttemptResult = Pick<HookAttempt, 'outcome' | 'exitCode' | 'signal' | 'httpStatus' | 'detail'>;

/** Between the signal that asks a program to end and the one that ends it. */
const KILL_AFTER_MS = 2_000;
/** A program that has ended may have left children that hold its output open: nobody waits for those. */
const OUTPUT_WAIT_MS = 200;
/** Of the environment of this service, which holds passwords, a program gets these. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'] as const;
/** Fields of an event that are worth a variable. */
const VARIABLES = {
  address: 'SALVOR_ADDRESS',
  alert: 'SALVOR_ALERT',
  cluster: 'SALVOR_CLUSTER',
  incident: 'SALVOR_INCIDENT',
  instance: 'SALVOR_INSTANCE',
  operation: 'SALVOR_OPERATION',
  plan: 'SALVOR_PLAN',
  record: 'SALVOR_RECORD',
  server: 'SALVOR_SERVER',
  shard: 'SALVOR_SHARD',
  vdisk: 'SALVOR_VDISK',
  zone: 'SALVOR_ZONE',
} as const;

/** Runs the program once. Never rejects. It is ended after `timeoutMs`, or when the signal aborts. */
export function runExec(
  hook: ExecHook,
  run: HookRunRecord,
  attempt: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const [program, ...args] = hook.argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: '/',
      env: environment(hook, run, attempt),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    let ending: 'timed-out' | 'interrupted' | null = null;
    let kill: NodeJS.Timeout | undefined;
    const end = (why: 'timed-out' | 'interrupted'): void => {
      ending ??= why;
      killGroup(child.pid, 'SIGTERM');
      kill ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS);
    };
    const timer = setTimeout(() => end('timed-out'), hook.timeoutMs);
    const stop = (): void => end('interrupted');
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const finish = (result: AttemptResult): void => {
      clearTimeout(timer);
      clearTimeout(kill);
      signal.removeEventListener('abort', stop);
      // Whatever it started and left behind ends with it when it had to be ended.
      if (ending !== null) killGroup(child.pid, 'SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      const detail = output.replace(/\s+/gu, ' ').trim().slice(-hookDetailCharsMax);
      resolve({ ...result, ...(detail === '' || result.detail !== undefined ? {} : { detail }) });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        output = (output + text).slice(-2 * hookDetailCharsMax);
      });
      stream.on('error', () => {});
    }
    // A program that does not read its input is not at fault.
    child.stdin.on('error', () => {});
    child.stdin.end(`${cloudEvent(run)}\n`);
    child.on('error', (error) =>
      finish({ outcome: 'failed', detail: messageOf(error).slice(0, hookDetailCharsMax) }),
    );
    child.on('exit', (code, endedBy) => {
      const how = {
        ...(code === null ? {} : { exitCode: code }),
        ...(endedBy === null ? {} : { signal: endedBy }),
      };
      const result = {
        outcome: ending ?? (code === 0 ? ('succeeded' as const) : ('failed' as const)),
        ...how,
      };
      const late = setTimeout(() => finish(result), OUTPUT_WAIT_MS);
      child.on('close', () => {
        clearTimeout(late);
        finish(result);
      });
    });
  });
}

function environment(hook: ExecHook, run: HookRunRecord, attempt: number): NodeJS.ProcessEnv {
  const env: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const data = run.event.data;
  const fields = typeof data === 'object' && data !== null ? new Map(Object.entries(data)) : new Map();
  for (const [field, variable] of Object.entries(VARIABLES)) {
    const value: unknown = fields.get(field);
    if (typeof value === 'string' || typeof value === 'number') env[variable] = String(value);
  }
  return {
    ...env,
    ...hook.env,
    SALVOR_HOOK: run.hook,
    SALVOR_POINT: run.point,
    SALVOR_EVENT_ID: run.event.id,
    SALVOR_EVENT_TYPE: run.event.type,
    SALVOR_ATTEMPT: String(attempt),
  };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended by itself.
  }
}
