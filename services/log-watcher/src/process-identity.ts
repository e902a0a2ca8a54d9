import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** A process that cannot be mistaken for another with the same id: when it started, in which boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTicks: string;
  readonly bootId: string;
}

export const processIdentitySchema: z.ZodType<ProcessIdentity> = z.object({
  pid: z.int().min(1),
  startTicks: z.string(),
  bootId: z.string(),
});

/** Null when there is no such process; also tells a zombie, which has an identity until it is reaped. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const startTicks = statFields(`/proc/${pid}/stat`)?.[19];
  return startTicks === undefined ? null : { pid, startTicks, bootId: bootId() };
}

/** Not a zombie either. */
export function isAlive({ pid, startTicks, bootId: boot }: ProcessIdentity): boolean {
  const fields = statFields(`/proc/${pid}/stat`);
  const state = fields?.[0];
  return fields?.[19] === startTicks && state !== 'Z' && state !== 'X' && boot === bootId();
}

/** Whether all threads of the process stand still because of a stop signal. */
export function isStopped(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.every((thread) => 'TtZX'.includes(stateOf(`/proc/${pid}/task/${thread}/stat`)));
  } catch {
    // Gone: it writes nothing any more.
    return true;
  }
}

/** The processes of a group, zombies included. */
export function groupMembers(group: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => statFields(`/proc/${pid}/stat`)?.[2] === String(group));
}

/** Signals the whole group of a leader. False when nobody is there. */
export function signalGroup(leader: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-leader, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

function stateOf(path: string): string {
  return statFields(path)?.[0] ?? 'X';
}

/** Fields from the state on: the command name before them may hold blanks and brackets. */
function statFields(path: string): string[] | null {
  try {
    const stat = readFileSync(path, 'utf8');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .trim()
      .split(' ');
  } catch {
    return null;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
