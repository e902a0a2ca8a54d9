/** What tests of a plan have left behind. Pure. */
import type { PlanRun, PlanStep } from './plan-records.ts';

/**
 * The tests whose clones or instances may still be there: no cleanup of them was completed. In the order of `runs`, the latest
 * first.
 */
export function leftTests(runs: readonly PlanRun[]): PlanRun[] {
  const removed = new Set(
    runs.flatMap(({ kind, status, tested }) => (kind === 'cleanup' && status === 'completed' ? tested : [])),
  );
  return runs.filter(({ kind, run, steps }) => kind === 'test' && !removed.has(run) && steps.some(isLeft));
}

/** Whether a step of a test has made something, or may have. */
export function isLeft({ act, status }: Pick<PlanStep, 'act' | 'status'>): boolean {
  return (act === 'clone' || act === 'start-test') && status !== 'pending' && status !== 'undone';
}
