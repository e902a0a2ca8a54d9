import type { WorkRecord } from '../healing/records.ts';

/** The work of an operation that was accepted at `at` and has not been taken up by anybody yet. */
export function runningWork(
  message: string,
  at: number,
  more: Pick<WorkRecord, 'total' | 'checkpoint'> = {},
): WorkRecord {
  return { status: 'running', message, updatedAt: at, ...more };
}
