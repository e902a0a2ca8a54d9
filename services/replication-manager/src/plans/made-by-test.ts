/** Whether something is what a test of a plan has made: only that is removed, whatever else has its id. */
import {
  type ConfigStore,
  listOperations,
  listPlanRuns,
  type PlanRun,
  type PlanStep,
} from '@salvor/config-store';
import { orderOf } from './zone-hands.ts';

export interface MadeThing {
  /** The step of the test that makes it. */
  readonly act: 'clone' | 'start-test';
  /** Volume or instance of the plan. */
  readonly subject: string;
  /** What was made. */
  readonly id: string;
}

/** Of each: what makes it, and what removes it, as orders of a run and as commands. */
const orders = {
  clone: { makes: 'clone', removes: 'remove-clone', command: 'vdisk.delete' },
  'start-test': { makes: 'set-test', removes: 'forget-test', command: 'instance.delete' },
} as const;

export function makingOrder(run: Pick<PlanRun, 'run'>, { act, subject }: MadeThing): string {
  return orderOf(run, orders[act].makes, subject);
}

export function removalOrder(run: Pick<PlanRun, 'run'>, { act, subject, id }: MadeThing): string {
  return orderOf(run, orders[act].removes, subject, id);
}

/** The tests whose leftovers a run removes: its own, or those that a cleanup was ordered for. */
export async function testsOf(store: Pick<ConfigStore, 'list'>, run: PlanRun): Promise<PlanRun[]> {
  if (run.kind === 'test') return [run];
  return (await listPlanRuns(store, run.plan)).filter((each) => run.tested.includes(each.run));
}

/** @returns whether one of these tests has made it, and nobody has removed it since. Throws StoreError, ConfigValueError */
export async function isMadeByTest(
  store: ConfigStore,
  tests: readonly PlanRun[],
  thing: MadeThing,
): Promise<boolean> {
  const { operations } = await listOperations(store, { subject: thing.id });
  const isRemoval = ({ kind }: (typeof operations)[number]): boolean => kind === orders[thing.act].command;
  for (const test of tests) {
    const earlier = new Set(
      (await listPlanRuns(store, test.plan))
        .filter(({ beganAt }) => beganAt < test.beganAt)
        .map((run) => removalOrder(run, thing)),
    );
    const order = makingOrder(test, thing);
    const made = operations.find(({ operation }) => operation === order);
    if (!(made === undefined ? isDone(test, thing) : isGood(made.work?.status))) continue;
    const since = made?.at ?? test.beganAt;
    const isRemoved = operations.some(
      (each) => isRemoval(each) && each.at >= since && !earlier.has(each.operation),
    );
    if (!isRemoved) return true;
  }
  return false;
}

/** Operations are remembered for days; the step of a test for as long as nobody has cleaned up. */
function isDone({ steps }: PlanRun, { act, subject }: MadeThing): boolean {
  return steps.some(
    (step: PlanStep) => step.act === act && step.subject === subject && step.status === 'done',
  );
}

/** What failed, or was cancelled, has removed what it had made. */
function isGood(status: string | undefined): boolean {
  return status !== 'failed' && status !== 'cancelled';
}
