/** When a point is due. Pure. */
import type { PointSchedule, PointSlots } from '@salvor/config-store';

export interface PointFacts {
  readonly isPrimary: boolean;
  /** The last point is whole in the other zone, or there is none. */
  readonly lastIsComplete: boolean;
  /** Points that the other zone lacks; null: not known. */
  readonly backlog: number | null;
}

export interface PointDecision {
  readonly action: 'take' | 'wait' | 'none';
  readonly reason: string;
  readonly slots: PointSlots;
  /** When the next slot is, Unix milliseconds. */
  readonly nextAt: number;
}

/** A slot that is dealt with so late was missed. */
function graceOf({ everyMs }: PointSchedule): number {
  return Math.min(everyMs / 4, 30_000);
}

/**
 * Each slot gives at most one point; no point is begun before the last one is whole in the other zone, and none when the
 * other zone lacks too many: then one run is owed, however many slots pass.
 */
export function decideRbdPoint(
  schedule: PointSchedule,
  before: PointSlots,
  facts: PointFacts,
  now: number,
): PointDecision {
  const { everyMs, startAt, missed, backlogMax } = schedule;
  if (now < startAt)
    return { action: 'none', reason: 'the schedule has not begun', slots: before, nextAt: startAt };
  const current = Math.floor((now - startAt) / everyMs);
  const nextAt = startAt + (current + 1) * everyMs;
  if (!facts.isPrimary) {
    const slots = { ...before, last: current, owed: false };
    return { action: 'none', reason: 'points are taken where the volume is primary', slots, nextAt };
  }
  // A clock that was set back: what was dealt with is not dealt with again.
  const last = before.last === null ? current - 1 : Math.max(before.last, -1);
  const due = Math.max(0, current - last);
  const isOnTime = now - (startAt + current * everyMs) <= graceOf(schedule);
  const late = isOnTime ? due - 1 : due;
  let slots: PointSlots = { ...before, last: Math.max(last, current) };
  if (due > 0) {
    const owesLate = late > 0 && missed === 'run-once';
    const isRun = isOnTime || owesLate;
    slots = {
      ...slots,
      missed: before.missed + (before.last === null ? 0 : Math.max(0, late)),
      // A slot that comes while a run is owed already is the same run.
      coalesced: before.coalesced + (before.owed && isOnTime ? 1 : 0),
      owed: before.owed || (isRun && (before.last !== null || isOnTime)),
    };
  }
  if (!slots.owed) return { action: 'none', reason: 'no point is due', slots, nextAt };
  if (!facts.lastIsComplete)
    return {
      action: 'wait',
      reason: 'the last point has not arrived whole in the other zone',
      slots,
      nextAt,
    };
  if (facts.backlog === null)
    return { action: 'wait', reason: 'how many points the other zone lacks is not known', slots, nextAt };
  if (facts.backlog >= backlogMax)
    return {
      action: 'wait',
      reason: `the other zone lacks ${facts.backlog} points, and ${backlogMax} is the most: no more are taken, so that they do not fill the disks`,
      slots,
      nextAt,
    };
  return { action: 'take', reason: 'a point is due', slots: { ...slots, owed: false }, nextAt };
}
