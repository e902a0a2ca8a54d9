import type { MemberRecord } from './pair-context.ts';
import { isRequired, isUnderRepair, type MemberView } from './pair-mode.ts';

export interface RepairableMember {
  readonly record: MemberRecord;
  readonly view: MemberView;
}

/** The member to repair, and the one to repair it from: null when only its own word stands for what it holds. */
export interface RepairPlan<M extends RepairableMember> {
  readonly target: M;
  readonly source: M | null;
}

/** Which member of a pair is to be repaired now, null when none is, or when nobody can vouch for any. */
export function decideRepairDue<M extends RepairableMember>(members: readonly M[]): RepairPlan<M> | null {
  const repairable = members.filter(
    ({ record, view }) =>
      isUnderRepair(record) && !view.repaired && !view.failed && record.repair?.paused === undefined,
  );
  const required = members.filter(({ view }) => isRequired(view));
  const source = required.find(({ view }) => !view.failed) ?? null;
  const target = source === null ? lastOf(repairable, members, required) : repairable[0];
  return target === undefined || target.record.repair === null ? null : { target, source };
}

/**
 * A member that was repaired, or is online, may have served alone since the other one's outage was recorded. While its own
 * failure is not on record, nobody can tell: the order of the records would still call the other one the last.
 */
function lastOf<M extends RepairableMember>(
  repairable: readonly M[],
  members: readonly M[],
  required: readonly M[],
): M | undefined {
  return required.length > 0 ? undefined : repairable.find((member) => servedLast(member, members));
}

/**
 * Without a survivor, only the member that served last can be whole. Writes were acknowledged without a member only after
 * etcd had recorded that one as stale: so it is the member whose record is the latest. Where a member that had been repaired
 * failed again and that makes it unclear, nobody vouches, and an operator decides.
 */
export function servedLast<M extends Pick<RepairableMember, 'record'>>(
  member: M,
  members: readonly M[],
): boolean {
  const { repair } = member.record;
  // A spare has nothing of its own, unless it was filled before it failed.
  if (repair?.kind !== 'repair-tmp-outage' && repair?.wasRebuilt !== true) return false;
  const since = member.record.stale?.since;
  return members.every(
    ({ record }) =>
      record === member.record ||
      (since !== undefined && record.stale !== null && record.stale.latest < since),
  );
}
