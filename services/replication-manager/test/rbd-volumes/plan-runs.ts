/** Runs of recovery plans, as whoever sends the commands for them sees them. */
import assert from 'node:assert/strict';
import type { Bus } from '@salvor/bus';
import type { PlanRunDescription } from '@salvor/contracts';
import { until } from '@salvor/testkit';

export interface PlanSide {
  readonly bus: Pick<Bus, 'request'>;
}

/** A plan of volumes alone, in zones north and south; it comes to the other zone by itself. */
export async function applyPlan(
  zone: PlanSide,
  plan: string,
  volumes: readonly string[],
  stepTimeoutSeconds: number,
): Promise<void> {
  const groups = [{ name: 'a', volumes }];
  const document = JSON.stringify({ plan, zones: ['north', 'south'], groups, stepTimeoutSeconds });
  await zone.bus.request('plan.apply', { document, create: true });
}

/** Until the other zone has taken it over. */
export async function untilPlan(zone: PlanSide, plan: string, timeoutMs: number): Promise<void> {
  const isThere = (): Promise<boolean> =>
    zone.bus.request('plan.get', { plan }).then(
      () => true,
      () => false,
    );
  await until(isThere, { what: `plan ${plan} is there`, timeoutMs });
}

/** The run, once it has ended. */
export async function planRun(
  zone: PlanSide,
  plan: string,
  kind: string,
  timeoutMs: number,
): Promise<PlanRunDescription> {
  const { operation: run } = await zone.bus.request('plan.run', { plan, kind });
  let last: PlanRunDescription | undefined;
  const isOver = async (): Promise<boolean> => {
    last = (await zone.bus.request('plan.report', { plan, run }).catch(() => null))?.run;
    return last !== undefined && last.status !== 'running';
  };
  await until(isOver, { what: `the end of run ${run}`, timeoutMs, intervalMs: 200 }).catch((error: unknown) =>
    assert.fail(`${String(error)}: ${JSON.stringify(last)}`),
  );
  return last ?? assert.fail('no run');
}

export async function completedRun(...asked: Parameters<typeof planRun>): Promise<PlanRunDescription> {
  const run = await planRun(...asked);
  assert.equal(run.status, 'completed', JSON.stringify(run));
  return run;
}
