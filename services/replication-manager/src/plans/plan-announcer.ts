import type { Bus } from '@salvor/bus';
import type { PlanRun } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';

/** Tells what changed about the steps of a run. */
export type AnnounceStep = (before: PlanRun, after: PlanRun) => void;

export function stepAnnouncer(bus: Pick<Bus, 'publishEvent'>, log: Logger): AnnounceStep {
  return (before, after) => {
    const { plan, run, kind } = after;
    for (const [index, { act, zone, group, subject, status: to, reason }] of after.steps.entries()) {
      const from = before.steps[index]?.status ?? 'pending';
      if (from === to) continue;
      const payload = { ...{ plan, run, kind, act, zone, group, subject, from, to, reason }, at: Date.now() };
      log.info({ plan, run, kind, act, zone, subject, from, to, reason }, 'a step of a plan');
      bus
        .publishEvent('plan.step-changed', payload, { id: `plan:${run}:${index}:${to}` })
        .catch((error: unknown) => log.error({ plan, run, error: messageOf(error) }, 'event not published'));
    }
  };
}
