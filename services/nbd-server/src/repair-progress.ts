/** Whether repairs make progress. */
import type { RepairState } from '@salvor/vdisk';

export type VdiskRepair = RepairState & { readonly vdisk: string };

export interface RepairSeen {
  readonly repair: VdiskRepair;
  /** The least number of blocks left so far, and the most steps beside them. */
  readonly leastLeft: number;
  readonly mostSteps: number;
  /** When one of them last changed. */
  readonly movedAt: number;
  /** When it was last found under way: between two tries it is not. */
  readonly foundAt: number;
}

/** A repair that was not found for so long has ended. */
const REMEMBERED_MS = 600_000;

/**
 * The repairs that are, or lately were, under way, with when each last moved. Trying again is no progress: a repair has moved
 * when fewer blocks are left than ever before in its attempt.
 */
export function decideProgress(
  seen: ReadonlyMap<string, RepairSeen>,
  found: readonly VdiskRepair[],
  now: number,
): Map<string, RepairSeen> {
  const next = new Map([...seen].filter(([, { foundAt }]) => now - foundAt <= REMEMBERED_MS));
  for (const repair of found) {
    const key = JSON.stringify([repair.vdisk, repair.incident, repair.attempt]);
    next.set(key, moved(next.get(key), repair, now));
  }
  return next;
}

function moved(before: RepairSeen | undefined, repair: VdiskRepair, now: number): RepairSeen {
  const { total, done, contentSteps: steps } = repair;
  const left = Math.max(0, total - done);
  if (before === undefined) return { repair, leastLeft: left, mostSteps: steps, movedAt: now, foundAt: now };
  const hasMoved = left < before.leastLeft || steps > before.mostSteps;
  return {
    repair,
    leastLeft: Math.min(left, before.leastLeft),
    mostSteps: Math.max(steps, before.mostSteps),
    movedAt: hasMoved ? now : before.movedAt,
    foundAt: now,
  };
}
