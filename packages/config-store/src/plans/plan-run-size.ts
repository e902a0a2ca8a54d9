/** How large the record of a run may be: etcd takes at most 1.5 MiB in one transaction. */
import type { PlanRun } from './plan-records.ts';

/** Bytes of the record of a run. */
export const planRunBytesMax: number = 1024 * 1024;
/** Characters of a reason: as many as fit of these. */
const REASON_CHARS: readonly number[] = [4_096, 512, 128, 32];

export function planRunBytes(run: PlanRun): number {
  return Buffer.byteLength(JSON.stringify(run));
}

/** The same run, with its reasons cut where its record would be too large. */
export function fittedRun(run: PlanRun): PlanRun {
  let fitted = run;
  for (const chars of REASON_CHARS) {
    const steps = run.steps.map((step) => ({ ...step, reason: cut(step.reason, chars) }));
    fitted = { ...run, reason: cut(run.reason, 4_096), steps };
    if (planRunBytes(fitted) <= planRunBytesMax) break;
  }
  return fitted;
}

function cut(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`;
}
