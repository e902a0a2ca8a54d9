/** Calls of the `rbd` command: one of an image at a time, each with a deadline. */
import { spawn } from 'node:child_process';
import type { RbdCallEnd } from './rbd-outcome.ts';

/** How a cluster is reached. */
export interface RbdCluster {
  /** The program; default `rbd` of the path. */
  readonly program?: string;
  /** Configuration file of the cluster. */
  readonly conf: string;
  /** Without `client.`. */
  readonly user: string;
  readonly pool: string;
}

/**
 * Calls `rbd` with these arguments. Never rejects. At the deadline the answer is `timedOut`. A program that changes something is
 * then left to itself: to end a promote in its middle tears the image. One that only asks is ended: of a cluster that is away,
 * each would stay for minutes.
 */
export type RbdExec = (
  args: readonly string[],
  deadlineMs: number,
  kind: 'asks' | 'changes',
) => Promise<RbdCallEnd>;

/** Of what a program prints, so much is kept of each stream. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** Of the environment of this service, which holds passwords, `rbd` gets these. */
const PASSED_ON = ['PATH', 'HOME', 'CEPH_ARGS', 'LD_LIBRARY_PATH'] as const;

/** Starts a process for each call. */
export function rbdProcess({ program = 'rbd', conf, user }: RbdCluster): RbdExec {
  const own = Object.fromEntries(
    PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  // Texts are read, and times: in English, and in UTC.
  const env = { ...own, TZ: 'UTC', LC_ALL: 'C' };
  return (args, deadlineMs, kind) =>
    new Promise((resolve) => {
      // Of a group of its own: it goes on when this process is ended by its group.
      const child = spawn(program, ['-c', conf, '--id', user, ...args], {
        ...{ env, stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd: '/' },
      });
      const streams = { stdout: '', stderr: '' };
      const end = (how: Pick<RbdCallEnd, 'exitCode' | 'signal' | 'timedOut'>): void => {
        clearTimeout(timer);
        resolve({ ...how, ...streams });
      };
      const timer = setTimeout(() => {
        if (kind === 'asks') child.kill('SIGKILL');
        child.unref();
        for (const stream of [child.stdout, child.stderr]) stream.resume();
        end({ exitCode: null, signal: null, timedOut: true });
      }, deadlineMs);
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].setEncoding('utf8');
        child[name].on('data', (text: string) => {
          if (streams[name].length < OUTPUT_BYTES_MAX) streams[name] += text;
        });
        child[name].on('error', () => {});
      }
      child.on('error', ({ message }) => {
        streams.stderr += message;
        end({ exitCode: 127, signal: null, timedOut: false });
      });
      child.on('close', (exitCode, signal) => end({ exitCode, signal, timedOut: false }));
    });
}

/** One call at a time, in order; a call that timed out does not hold up the next one. */
export function oneAtATime(exec: RbdExec): RbdExec {
  let last: Promise<unknown> = Promise.resolve();
  return (args, deadlineMs, kind) => {
    const call = last.then(() => exec(args, deadlineMs, kind));
    last = call.catch(() => undefined);
    return call;
  };
}

/**
 * Of a cluster that did not answer by a deadline one call at a time goes on asking; whoever asks meanwhile is told at once
 * what came of the last one. For looks: many volumes would else wait for the same silence one after the other.
 */
export function sparing(exec: RbdExec): RbdExec {
  let silence: RbdCallEnd | null = null;
  let isProbed = false;
  return async (args, deadlineMs, kind) => {
    if (kind === 'changes') return exec(args, deadlineMs, kind);
    if (silence !== null && isProbed) return silence;
    const isProbe = silence !== null;
    if (isProbe) isProbed = true;
    const end = await exec(args, deadlineMs, kind);
    if (isProbe) isProbed = false;
    silence = end.timedOut ? end : null;
    return end;
  };
}

/** So many calls that ask at the same time, in order; those that change something, which may take long, do not wait. */
export function asksAtMost(most: number, exec: RbdExec): RbdExec {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (args, deadlineMs, kind) => {
    if (kind === 'changes') return exec(args, deadlineMs, kind);
    if (running >= most) await new Promise<void>((begin) => queue.push(begin));
    else running++;
    try {
      return await exec(args, deadlineMs, kind);
    } finally {
      const next = queue.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
