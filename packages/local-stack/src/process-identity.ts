import { readdirSync, readFileSync } from 'node:fs';

/** A process that cannot be mistaken for a later one with the same id: its start time in clock ticks since boot. */
export interface ProcessIdentity {
  pid: number;
  startTicks: string;
}

/** Null when there is no such process, or only its zombie. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const fields = statFields(pid);
  const startTicks = fields?.[19];
  if (fields === null || startTicks === undefined || fields[0] === 'Z' || fields[0] === 'X') return null;
  return { pid, startTicks };
}

export function isSameProcessAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks;
}

/** Sends the signal only if the process is still the one identified. False when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isSameProcessAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Processes whose environment holds every one of the given variables. Children inherit them, so a stack finds what
 * its services spawned, even after the service in between was killed. Other users' processes are not looked at.
 */
export function findProcessesByEnv(variables: Readonly<Record<string, string>>): ProcessIdentity[] {
  const wanted = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const found: ProcessIdentity[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const environ = readProcFile(`/proc/${entry}/environ`)?.split('\0');
    if (environ === undefined || !wanted.every((pair) => environ.includes(pair))) continue;
    const identity = identifyProcess(Number(entry));
    if (identity !== null) found.push(identity);
  }
  return found;
}

/** Fields of /proc/<pid>/stat from the state on: the command name before them may hold blanks and brackets. */
function statFields(pid: number): string[] | null {
  const stat = readProcFile(`/proc/${pid}/stat`);
  if (stat === null) return null;
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
}

function readProcFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone in between, or another user's: not ours either way.
    return null;
  }
}
