import type { ManagedProcess } from './managed-process.ts';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const children = new Set<ManagedProcess>();
let installed = false;

/**
 * Kills the process group when this process exits, or is ended by a signal nobody else handles. A program with its
 * own handler for the signal stops its children itself (and by the exit at the latest). Returns the way out.
 */
export function endWithParent(child: ManagedProcess): () => void {
  children.add(child);
  if (!installed) {
    installed = true;
    process.on('exit', killAll);
    for (const signal of ENDING_SIGNALS) process.on(signal, endBySignal);
  }
  return () => {
    children.delete(child);
  };
}

function killAll(): void {
  for (const child of children) child.killGroup();
}

function endBySignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  killAll();
  process.removeListener(signal, endBySignal);
  process.kill(process.pid, signal);
}
