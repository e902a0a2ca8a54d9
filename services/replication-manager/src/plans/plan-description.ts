import type { PlanMeasure, PlanRecord, PlanRun, PlanStep } from '@salvor/config-store';
import type {
  PlanMeasureInit,
  PlanRunDescriptionInit,
  PlanStepInit,
  PlanSummaryInit,
} from '@salvor/contracts';

export function summaryOf(
  { plan, version, zone, document, zones, changedAt }: PlanRecord,
  active: string | null,
): PlanSummaryInit {
  return {
    ...{ plan, version, writtenIn: zone, deleted: document === null, changedAt },
    zones: [...(document?.zones ?? zones)],
    ...(active === null ? {} : { active }),
  };
}

/** A run, with the loss and the time that it came to. */
export function describeRun(run: PlanRun): PlanRunDescriptionInit {
  const { plan, version, kind, target, source, status, direction, reason, beganAt, endedAt } = run;
  const rpoWrites = total(run.measures.map(({ lostWrites }) => lostWrites));
  const rpoMs = largest(run.measures.map(({ lostMs }) => lostMs));
  const rtoMs = rtoOf(run);
  return {
    ...{ run: run.run, plan, version, kind, target, source, status, direction, reason, beganAt },
    steps: run.steps.map(describeStep),
    volumes: run.measures.map(describeMeasure),
    ...(rpoWrites === null ? {} : { rpoWrites }),
    ...(rpoMs === null ? {} : { rpoMs }),
    ...(rtoMs === null ? {} : { rtoMs }),
    ...(endedAt === null ? {} : { endedAt }),
  };
}

/** Until the last instance is started, or, without instances, the last volume is there; null: it did not come to that. */
function rtoOf({ steps, beganAt }: PlanRun): number | null {
  const starts = steps.filter(({ act }) => act === 'start' || act === 'start-test');
  const served = starts.length > 0 ? starts : steps.filter(({ act }) => act === 'promote' || act === 'clone');
  if (served.length === 0 || served.some(({ status }) => status !== 'done')) return null;
  return Math.max(...served.map(({ endedAt }) => (endedAt ?? beganAt) - beganAt));
}

function describeStep({
  act,
  zone,
  group,
  subject,
  status,
  reason,
  beganAt,
  endedAt,
}: PlanStep): PlanStepInit {
  return {
    ...{ act, zone, group, subject, status, reason },
    ...(beganAt === null ? {} : { beganAt }),
    ...(endedAt === null ? {} : { endedAt }),
  };
}

function describeMeasure({
  volume,
  lostWrites,
  lostMs,
  promotedMs,
  generation,
  sequence,
}: PlanMeasure): PlanMeasureInit {
  return {
    ...{ volume, generation },
    ...(lostWrites === null ? {} : { lostWrites }),
    ...(lostMs === null ? {} : { lostMs }),
    ...(promotedMs === null ? {} : { promotedMs }),
    ...(sequence === null ? {} : { sequence }),
  };
}

function total(numbers: readonly (number | null)[]): number | null {
  return numbers.length === 0 || numbers.includes(null)
    ? null
    : numbers.reduce<number>((sum, each) => sum + (each ?? 0), 0);
}

function largest(numbers: readonly (number | null)[]): number | null {
  return numbers.length === 0 || numbers.includes(null)
    ? null
    : Math.max(...numbers.map((each) => each ?? 0));
}
