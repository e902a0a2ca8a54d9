/** What a run of a recovery plan does next. Pure. */
import type { PlanMeasure, PlanRun, PlanStep } from '@salvor/config-store';

/** What came of the last look at the step that is under way; `isBack`: at taking it back. */
export type StepSeen =
  | { readonly kind: 'done'; readonly reason: string; readonly notes?: RunNotes }
  | { readonly kind: 'waiting'; readonly reason: string }
  /** It never comes about by waiting. */
  | { readonly kind: 'failed'; readonly reason: string };

/** What a step found out that the run remembers. */
export interface RunNotes {
  readonly started?: readonly string[];
  readonly clones?: PlanRun['clones'];
  readonly measures?: readonly (Pick<PlanMeasure, 'volume'> & Partial<PlanMeasure>)[];
}

export type PlanEffect =
  /** Look whether the step is done; order it where it is not. */
  | { readonly kind: 'ensure'; readonly index: number }
  | { readonly kind: 'ensure-undone'; readonly index: number }
  | { readonly kind: 'end'; readonly status: 'completed' | 'failed' | 'cancelled' };

export interface PlanNext {
  /** To be put on record before the effect. */
  readonly run: PlanRun;
  readonly effect: PlanEffect;
}

/**
 * Acts of which each one is the point of no return of its run: once the first of them was ordered, it only leads forwards.
 * Taken back before it: `stop` by starting again, `demote` by promoting again, `clone` and `start-test` by removing.
 */
const POINT_OF_NO_RETURN = new Set<PlanStep['act']>(['promote', 'protect', 'stop-test', 'remove-clone']);
const TAKEN_BACK = new Set<PlanStep['act']>(['stop', 'demote', 'clone', 'start-test']);
/** Behind the point of no return, what fails of these does not keep the rest from being done. */
const INDEPENDENT = new Set<PlanStep['act']>(['start', 'record', 'protect', 'stop-test', 'remove-clone']);

/**
 * @param seen of the step that the last decision named; null at the start, and after the process that carried it out died
 */
export function decidePlan(
  run: PlanRun,
  seen: StepSeen | null,
  { now, isCancelled }: { readonly now: number; readonly isCancelled: boolean },
): PlanNext {
  if (run.status !== 'running') return { run, effect: { kind: 'end', status: run.status } };
  return run.direction === 'back' ? goBack(run, seen, now) : goOn(run, seen, now, isCancelled);
}

/** Whether the run may still be taken back. */
export function isReturnable({ steps }: Pick<PlanRun, 'steps'>): boolean {
  return !steps.some(({ act, status }) => POINT_OF_NO_RETURN.has(act) && status !== 'pending');
}

function goOn(run: PlanRun, seen: StepSeen | null, now: number, isCancelled: boolean): PlanNext {
  const index = run.steps.findIndex(({ status }) => status === 'running');
  const current = run.steps[index];
  if (current === undefined) return begin(run, now, isCancelled);
  if (isCancelled && isReturnable(run) && seen?.kind !== 'done') return cancel(run, index, now);
  const verdict = judged(current, seen, run, now);
  switch (verdict.kind) {
    case 'waiting': {
      const reason = textOf(current, verdict.reason);
      return {
        run: { ...run, reason, steps: withStep(run.steps, index, { reason: verdict.reason }) },
        effect: { kind: 'ensure', index },
      };
    }
    case 'done': {
      const done = { status: 'done', reason: verdict.reason, endedAt: now } as const;
      const noted = withNotes({ ...run, steps: withStep(run.steps, index, done) }, verdict.notes);
      return begin(noted, now, isCancelled);
    }
    case 'failed': {
      if (isReturnable(run)) return turn(run, index, verdict.reason, now);
      const failed = { status: 'failed', reason: verdict.reason, endedAt: now } as const;
      const after = { ...run, steps: withStep(run.steps, index, failed) };
      if (INDEPENDENT.has(current.act)) return begin(after, now, isCancelled);
      return end(after, 'failed', now);
    }
  }
}

/** A step that waits for longer than the plan allows has failed. */
function judged(step: PlanStep, seen: StepSeen | null, run: PlanRun, now: number): StepSeen {
  if (seen === null) return { kind: 'waiting', reason: step.reason };
  if (seen.kind !== 'waiting') return seen;
  const { stepTimeoutSeconds } = run.document;
  if (now - (step.beganAt ?? now) < stepTimeoutSeconds * 1_000) return seen;
  return { kind: 'failed', reason: `not done after ${stepTimeoutSeconds} s: ${seen.reason}` };
}

function begin(run: PlanRun, now: number, isCancelled: boolean): PlanNext {
  const index = run.steps.findIndex(({ status }) => status === 'pending');
  const next = run.steps[index];
  if (next === undefined) {
    const isFailed = run.steps.some(({ status }) => status === 'failed');
    return end(run, isFailed ? 'failed' : 'completed', now);
  }
  if (isCancelled && isReturnable(run)) return cancel(run, index, now);
  const running = { status: 'running', beganAt: now } as const;
  return {
    run: { ...run, reason: textOf(next, 'begins'), steps: withStep(run.steps, index, running) },
    effect: { kind: 'ensure', index },
  };
}

function cancel(run: PlanRun, index: number, now: number): PlanNext {
  return turn({ ...run, isCancelled: true }, index, 'it was cancelled', now);
}

/** A step failed, or somebody wants the end, before the point of no return: everything is taken back, the last first. */
function turn(run: PlanRun, index: number, why: string, now: number): PlanNext {
  const step = run.steps[index];
  if (step === undefined) return end(run, 'failed', now);
  // What was ordered and did not come about may still: it is taken back like what did.
  const isOrdered = step.status === 'running' && isTakenBack(run, step);
  const steps = isOrdered
    ? run.steps
    : withStep(run.steps, index, { status: 'failed', reason: why, endedAt: now });
  return goBack({ ...run, direction: 'back', reason: textOf(step, why), steps }, null, now);
}

function goBack(run: PlanRun, seen: StepSeen | null, now: number): PlanNext {
  const index = run.steps.findIndex(({ status }) => status === 'undoing');
  const current = run.steps[index];
  if (current === undefined) {
    const next = run.steps.findLastIndex(
      (step) => isTakenBack(run, step) && (step.status === 'done' || step.status === 'running'),
    );
    if (next < 0) return end(run, 'failed', now);
    const undoing = { status: 'undoing', beganAt: now, endedAt: null } as const;
    const steps = withStep(run.steps, next, undoing);
    return { run: { ...run, steps }, effect: { kind: 'ensure-undone', index: next } };
  }
  const verdict = judged(current, seen, run, now);
  if (verdict.kind === 'waiting') {
    const steps = withStep(run.steps, index, { reason: verdict.reason });
    return { run: { ...run, steps }, effect: { kind: 'ensure-undone', index } };
  }
  const status = verdict.kind === 'done' ? 'undone' : 'failed';
  const steps = withStep(run.steps, index, { status, reason: verdict.reason, endedAt: now });
  return goBack({ ...run, steps }, null, now);
}

function end(run: PlanRun, wanted: 'completed' | 'failed', now: number): PlanNext {
  const isBack = run.direction === 'back';
  const status = isBack && run.isCancelled ? 'cancelled' : wanted;
  const failed = run.steps.filter((step) => step.status === 'failed');
  const left = failed.filter((step) => isTakenBack(run, step)).map((step) => textOf(step, step.reason));
  const reason = isBack
    ? `${run.reason}; ${left.length === 0 ? leftText(run) : `could not be taken back: ${left.join('; ')}`}`
    : status === 'completed'
      ? completedText(run)
      : failed.map((step) => textOf(step, step.reason)).join('; ');
  return { run: { ...run, status, reason, endedAt: now }, effect: { kind: 'end', status } };
}

/** What a failover fenced, and what a reprotect shut down in the zone that came back, stays down. */
function isTakenBack({ kind }: Pick<PlanRun, 'kind'>, { act }: PlanStep): boolean {
  return TAKEN_BACK.has(act) && (kind === 'planned' || kind === 'test');
}

function leftText({ kind }: PlanRun): string {
  switch (kind) {
    case 'planned':
    case 'test':
      return 'everything is as it was before';
    case 'failover':
      return 'nothing was promoted, and what was fenced stays fenced';
    case 'cleanup':
    case 'reprotect':
      return 'run it again';
  }
}

function completedText({ plan, kind, target, source, steps }: PlanRun): string {
  switch (kind) {
    case 'planned':
      return `plan ${plan} runs in zone ${target} now, nothing was lost, and zone ${source} follows it`;
    case 'failover':
      return `plan ${plan} runs in zone ${target} now; 'salvor plan run ${plan} --reprotect' once zone ${source} is back`;
    case 'test':
      return `clones of plan ${plan} are up in zone ${target}; 'salvor plan run ${plan} --cleanup' removes them`;
    case 'cleanup':
      return steps.length === 0
        ? `no test of plan ${plan} is left in zone ${target}`
        : `the test of plan ${plan} is removed from zone ${target}`;
    case 'reprotect':
      return `zone ${source} follows zone ${target} in all of plan ${plan}`;
  }
}

/** A step and what there is to say of it, as a sentence. */
export function textOf({ act, zone, group, subject }: PlanStep, what: string): string {
  const about = subject === '' ? (group === '' ? '' : ` of group ${group}`) : ` ${subject}`;
  return `${act}${about} in zone ${zone}: ${what}`;
}

function withStep(steps: readonly PlanStep[], index: number, change: Partial<PlanStep>): PlanStep[] {
  return steps.map((step, at) => (at === index ? { ...step, ...change } : step));
}

function withNotes(run: PlanRun, notes: RunNotes | undefined): PlanRun {
  if (notes === undefined) return run;
  const { started, clones = run.clones, measures = [] } = notes;
  const found = { ...run, clones, ...(started === undefined ? {} : { started: [...started] }) };
  return { ...found, measures: measures.reduce(withMeasure, found.measures) };
}

function withMeasure(
  measures: PlanMeasure[],
  { volume, ...news }: NonNullable<RunNotes['measures']>[number],
): PlanMeasure[] {
  const unknown = {
    volume,
    lostWrites: null,
    lostMs: null,
    promotedMs: null,
    generation: 0,
    sequence: null,
    cloneAt: null,
  };
  const before = measures.find((measure) => measure.volume === volume) ?? unknown;
  return [...measures.filter((measure) => measure.volume !== volume), { ...before, ...news }];
}
