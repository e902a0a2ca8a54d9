import {
  amendPlanRun,
  type ConfigStore,
  type Executor,
  fittedRun,
  listPlanRuns,
  type OperationEnding,
  type OperationRun,
  type PlanRun,
  type PlanStep,
  planRunEffects,
  planRunSchema,
  readActiveRun,
  readPlanRun,
  runsToForget,
} from '@salvor/config-store';
import { codeOf, pause, SalvorError } from '@salvor/service-kit';
import { fenced, recordReplayed } from './hook-steps.ts';
import { started, startedAgain, stopped } from './instance-steps.ts';
import type { AnnounceStep } from './plan-announcer.ts';
import { checked } from './plan-check.ts';
import { decidePlan, type PlanNext, type StepSeen } from './plan-decision.ts';
import { cloned, cloneRemoved, testStarted, testStopped } from './test-steps.ts';
import {
  demoted,
  levelled,
  lossTold,
  promoted,
  promotedAgain,
  protectedIn,
  volumeIn,
} from './volume-steps.ts';
import { orderOf, seenOf, type ZoneHands } from './zone-hands.ts';

export interface PlanExecutorOptions {
  readonly store: ConfigStore;
  readonly hands: ZoneHands;
  readonly announce: AnnounceStep;
}

/** Between two looks at a step that is waited for. */
const LOOK_EVERY_MS = 100;
/** What a step that goes on waiting says is put on record this often. */
const RECORD_EVERY_MS = 1_000;

/** Checkpoint of the operation: at first all of the run, then which it is. */
const beginningSchema = planRunSchema.pick({ plan: true, run: true });

/**
 * Carries runs of plans out. What is to be done next follows from the run as it is on record, and each order is the same
 * order when it is given again: so whichever process goes on where another one died does the same.
 */
export function planExecutor(options: PlanExecutorOptions): Executor {
  return async (operation) => {
    const { store, announce } = options;
    const begun = beginningSchema.parse(operation.checkpoint);
    const known = await readPlanRun(store, begun.plan, begun.run);
    if (known === null) {
      const active = await readActiveRun(store, begun.plan);
      if (active !== null)
        return ended(
          'failed',
          `plan ${begun.plan} is under way (run ${active}): wait for its end`,
          'plan-busy',
        );
    }
    let run = known ?? (await recordFirst(store, operation, planRunSchema.parse(operation.checkpoint)));
    let recorded = { run, at: Number.NEGATIVE_INFINITY };
    let seen: StepSeen | null = null;
    for (;;) {
      const now = Date.now();
      const next: PlanNext = decidePlan(run, seen, { now, isCancelled: operation.cancelRequested() });
      const { effect } = next;
      if (effect.kind === 'end') {
        const last = fittedRun(next.run);
        announce(run, last);
        const { status, reason } = last;
        return { ...ended(effect.status, reason, `plan-${status}`), effects: effectsOf(last) };
      }
      const after = fittedRun(next.run);
      // What a step waits for may change at every look; the record is large.
      const isDue = now - recorded.at >= RECORD_EVERY_MS && isNews(recorded.run, after);
      if (isDue || isStep(recorded.run, after)) {
        await record(operation, after);
        recorded = { run: after, at: now };
      }
      announce(run, after);
      run = after;
      const step = run.steps[effect.index];
      if (step === undefined) throw new SalvorError('internal', `run ${run.run} has no step ${effect.index}`);
      seen = await look(options, run, step, effect.kind === 'ensure-undone');
      if (operation.signal.aborted && !operation.cancelRequested()) operation.signal.throwIfAborted();
      if (seen.kind === 'waiting') await pause(LOOK_EVERY_MS);
    }
  };
}

/** From then on the run is on record once: twice it could be more than etcd takes. */
async function recordFirst(store: ConfigStore, operation: OperationRun, run: PlanRun): Promise<PlanRun> {
  const forget = runsToForget(await listPlanRuns(store, run.plan));
  const checkpoint = { plan: run.plan, run: run.run };
  await operation.report(
    { ...progressOf(run), checkpoint },
    { now: true, effects: planRunEffects(run, { isFirst: true, forget }) },
  );
  return run;
}

async function record(operation: OperationRun, run: PlanRun): Promise<void> {
  await operation.report(progressOf(run), { now: true, effects: effectsOf(run) });
}

function effectsOf(run: PlanRun): ReturnType<typeof planRunEffects> {
  return planRunEffects(run, { isFirst: false, forget: [] });
}

function progressOf({ reason, steps }: PlanRun) {
  const isOver = ({ status }: PlanStep): boolean =>
    status === 'done' || status === 'failed' || status === 'undone';
  return { message: reason, done: steps.filter(isOver).length, total: steps.length };
}

function ended(status: OperationEnding['status'], message: string, code: string): OperationEnding {
  return { status, message, ...(status === 'completed' ? {} : { code }) };
}

/** Whether something was begun, done or found out. */
function isStep(before: PlanRun, after: PlanRun): boolean {
  const of = ({ steps, reason: _, ...rest }: PlanRun): string =>
    JSON.stringify([rest, steps.map(({ status }) => status)]);
  return of(before) !== of(after);
}

function isNews(before: PlanRun, after: PlanRun): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}

async function look(
  options: PlanExecutorOptions,
  run: PlanRun,
  step: PlanStep,
  isBack: boolean,
): Promise<StepSeen> {
  try {
    return isBack ? await ensureUndone(options, run, step) : await ensure(options, run, step);
  } catch (error) {
    if (codeOf(error) === 'internal') throw error;
    return seenOf(error);
  }
}

async function ensure(
  { hands, store }: PlanExecutorOptions,
  run: PlanRun,
  { act, zone, subject }: PlanStep,
): Promise<StepSeen> {
  switch (act) {
    case 'check':
      return checked(hands, store, run, Date.now);
    case 'stop':
      return stopped(hands, zone, subject, orderOf(run, 'stop', subject));
    case 'fence':
      return fenced(hands, store, run, subject);
    case 'demote':
      return demoted(hands, run, zone, subject);
    case 'level':
      return levelled(hands, run, subject);
    case 'promote':
      return promoted(hands, run, subject, Date.now);
    case 'record':
      return recordReplayed(store, run, subject);
    case 'start':
      return started(hands, zone, subject, orderOf(run, 'start', subject));
    case 'protect': {
      await tellLoss(store, hands, run, subject);
      return protectedIn(hands, run, subject);
    }
    case 'clone':
      return cloned(hands, run, subject, Date.now);
    case 'remove-clone':
      return cloneRemoved(hands, store, run, subject);
    case 'start-test':
      return testStarted(hands, run, subject);
    case 'stop-test':
      return testStopped(hands, store, run, subject);
  }
}

async function ensureUndone(
  { hands, store }: PlanExecutorOptions,
  run: PlanRun,
  { act, zone, subject }: PlanStep,
): Promise<StepSeen> {
  switch (act) {
    case 'stop':
      return startedAgain(hands, run, zone, subject);
    case 'demote':
      return promotedAgain(hands, run, zone, subject);
    case 'clone':
      return cloneRemoved(hands, store, run, subject);
    case 'start-test':
      return testStopped(hands, store, run, subject);
    default:
      throw new SalvorError('internal', `step ${act} is never taken back`);
  }
}

/** The zone that was lost says what it has that the failover lost: that goes on record with the failover. */
export async function tellLoss(
  store: ConfigStore,
  hands: ZoneHands,
  { plan, source }: Pick<PlanRun, 'plan' | 'source'>,
  volume: string,
): Promise<void> {
  const [failover] = (await listPlanRuns(store, plan)).filter(({ kind }) => kind === 'failover');
  const measure = failover?.measures.find((each) => each.volume === volume);
  if (failover === undefined || failover.status === 'running' || measure === undefined) return;
  if (measure.lostWrites !== null || failover.source !== source) return;
  const lostWrites = lossTold(await volumeIn(hands, source, volume), failover.beganAt);
  if (lostWrites === null) return;
  await amendPlanRun(store, failover, (run) => ({
    ...run,
    measures: run.measures.map((each) => (each.volume === volume ? { ...each, lostWrites } : each)),
  }));
}
