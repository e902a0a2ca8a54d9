/** When a volume that is not followed all the time is brought to what its primary has. Pure. */
import type { VolumeSchedule, VolumeSync } from './volume-records.ts';

export type ScheduleDecision =
  /** Nothing is due before then; null: never again. */
  | { readonly kind: 'wait'; readonly until: number | null }
  /** A run is due for this slot; so many before it passed with nobody there. */
  | { readonly kind: 'begin'; readonly slotAt: number; readonly missed: number }
  /** So many slots up to this one passed with nobody there, and are not caught up. */
  | { readonly kind: 'missed'; readonly slotAt: number; readonly missed: number }
  /** So many slots up to this one came while a run was under way. */
  | { readonly kind: 'overlap'; readonly slotAt: number; readonly overlaps: number };

/** Somebody who looks this much later was there in time; of shorter intervals, half of them. */
const LATE_MS = 60_000;

export const noSync: VolumeSync = {
  ...{ slotAt: null, run: null, runs: 0, missed: 0, overlaps: 0, last: null },
};

/** A run of what was never dealt with begins at once when its first slot is over; from then on each slot is dealt with once. */
export function decideSchedule(
  { everyMs, startAt, missed: policy }: VolumeSchedule,
  { slotAt: dealt, run }: Pick<VolumeSync, 'slotAt' | 'run'>,
  now: number,
): ScheduleDecision {
  const isOnce = everyMs === 0;
  if (now < startAt) return { kind: 'wait', until: startAt };
  const passed = isOnce ? 0 : Math.floor((now - startAt) / everyMs);
  const slotAt = startAt + passed * everyMs;
  if (dealt !== null && dealt >= slotAt) return { kind: 'wait', until: isOnce ? null : slotAt + everyMs };
  // An order of its own is not one of many slots: it is run after the one that is under way.
  if (run !== null && isOnce) return { kind: 'wait', until: null };
  const count = dealt === null ? 1 : slotsBetween(startAt, everyMs, dealt, slotAt);
  if (run !== null) return { kind: 'overlap', slotAt, overlaps: count };
  const isLate = now - slotAt > Math.min(LATE_MS, everyMs / 2);
  if (policy === 'skip' && !isOnce && dealt !== null && isLate)
    return { kind: 'missed', slotAt, missed: count };
  return { kind: 'begin', slotAt, missed: count - 1 };
}

/** Slots behind `dealt` up to `slotAt`, which is one. */
function slotsBetween(startAt: number, everyMs: number, dealt: number, slotAt: number): number {
  if (everyMs === 0 || dealt < startAt) return everyMs === 0 ? 1 : (slotAt - startAt) / everyMs + 1;
  return (slotAt - startAt) / everyMs - Math.floor((dealt - startAt) / everyMs);
}

/** The state after a decision that is carried out now. */
export function scheduled(sync: VolumeSync, decision: ScheduleDecision, now: number): VolumeSync {
  switch (decision.kind) {
    case 'wait':
      return sync;
    case 'begin': {
      const { slotAt, missed } = decision;
      return { ...sync, slotAt, run: { slotAt, beganAt: now, target: null }, missed: sync.missed + missed };
    }
    case 'missed':
      return { ...sync, slotAt: decision.slotAt, missed: sync.missed + decision.missed };
    case 'overlap':
      return { ...sync, slotAt: decision.slotAt, overlaps: sync.overlaps + decision.overlaps };
  }
}

export function sameSchedule(a: VolumeSchedule | null, b: VolumeSchedule | null): boolean {
  return a?.everyMs === b?.everyMs && a?.startAt === b?.startAt && a?.missed === b?.missed;
}
