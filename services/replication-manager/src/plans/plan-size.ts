/** Whether a plan can be run: the record of a run has each step, and is written with each of them. Pure. */
import { type PlanDocument, PlanError, type PlanRun, planRunBytes } from '@salvor/config-store';
import { newPlanRun } from './plan-steps.ts';

/** Of the longest run of a plan; what its steps say beyond {@link REASON_CHARS} has room up to `planRunBytesMax`. */
export const planBytesMax: number = 640 * 1024;
const REASON_CHARS = 128;
/** Milliseconds since 1970, and counts. */
const LARGE = Number.MAX_SAFE_INTEGER;

/** @throws PlanError that says how large it is */
export function assertRunnable(document: PlanDocument): void {
  const found = planRunBytes(largestRun(document));
  if (found <= planBytesMax) return;
  const expected = `a plan whose runs need at most ${planBytesMax} bytes on record: fewer volumes and instances, or shorter records`;
  throw new PlanError([{ path: '', expected, found: `${found} bytes` }]);
}

/** A planned failover has the most steps. */
function largestRun(document: PlanDocument): PlanRun {
  const { plan, groups, zones } = document;
  const begun = newPlanRun(
    { run: ' '.repeat(64), plan, version: LARGE, kind: 'planned', target: zones[0], document },
    LARGE,
  );
  const reason = ' '.repeat(REASON_CHARS);
  const told = {
    ...{ lostWrites: LARGE, lostMs: LARGE, promotedMs: LARGE },
    ...{ generation: LARGE, sequence: LARGE, cloneAt: LARGE },
  };
  return {
    ...begun,
    reason,
    steps: begun.steps.map((step) => ({
      ...step,
      status: 'undoing',
      reason,
      beganAt: LARGE,
      endedAt: LARGE,
    })),
    started: groups.flatMap(({ instances }) => instances.map(({ instance }) => instance)),
    measures: groups.flatMap(({ volumes }) => volumes.map((volume) => ({ volume, ...told }))),
    endedAt: LARGE,
  };
}
