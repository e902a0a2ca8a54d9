import type { WorkRecord } from '../healing/records.ts';

/** The work of an operation that was accepted at `at` and has not been taken up by anybody yet. */
export function runningWork(
  message: string,
  at: number,
  { total, checkpoint }: { readonly total?: number; readonly checkpoint?: unknown } = {},
): WorkRecord {
  return {
    ...{ status: 'running', message, updatedAt: at },
    ...(total === undefined ? {} : { total }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}
