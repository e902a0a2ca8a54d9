/** What a secondary takes over from its primary, so that it holds when it is promoted. Pure. */
import type { RbdSightRecord, RbdVolumeRecord } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { BACKLOG_MAX } from '../drivers/rbd/rbd-points.ts';

/** Null: nothing. */
export function adoptedFrom(
  record: RbdVolumeRecord,
  seen: RbdSightRecord | null,
  there: Pick<VolumeDescription, 'role' | 'mode' | 'schedule' | 'driver'>,
): Partial<RbdVolumeRecord> | null {
  if (seen?.role !== 'secondary' || there.role !== 'primary' || there.driver !== 'rbd') return null;
  const { mode, schedule } = record;
  const isSnapshot = (there.mode === 'one-time' || there.mode === 'periodic') && mode !== null;
  if (!isSnapshot || mode === 'instant') return null;
  const theirs = there.schedule;
  const wanted =
    theirs === undefined
      ? null
      : {
          ...{ everyMs: theirs.everyMs, startAt: theirs.startAt },
          missed: theirs.missed === 'skip' ? ('skip' as const) : ('run-once' as const),
          backlogMax: schedule?.backlogMax ?? BACKLOG_MAX,
        };
  const isSame =
    mode === there.mode &&
    wanted?.everyMs === schedule?.everyMs &&
    wanted?.startAt === schedule?.startAt &&
    wanted?.missed === schedule?.missed;
  if (isSame) return null;
  const modeThere = there.mode === 'one-time' ? ('one-time' as const) : ('periodic' as const);
  return { mode: modeThere, schedule: wanted };
}
