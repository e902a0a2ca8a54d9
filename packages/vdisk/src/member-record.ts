import type { MemberRecord } from './pair-context.ts';
import { isUnderRepair } from './pair-mode.ts';

/** What a record that etcd tells does to a member of a pair. */
export interface RecordChange {
  /** The links lead to an engine, or to a use of it, that is over. */
  readonly dropsLinks: boolean;
  /** The failure was one of the status or attempt before. */
  readonly clearsFault: boolean;
  /** The repair that is already on record as complete, null when there is none. */
  readonly completed: string | null;
}

/** Takes over what etcd says now; a new status or attempt wipes out an old fault, but for the end of a repair. */
export function decideMemberRecord(before: MemberRecord, record: MemberRecord): RecordChange {
  const attempt = attemptOf(record);
  const isOut = record.status === 'offline' || record.status === 'rip';
  const isNextAttempt = isUnderRepair(record) && attemptOf(before) !== attempt;
  const isCompleted = record.repair?.completed === true && isUnderRepair(record) && !isUnderRepair(before);
  return {
    dropsLinks: isOut || isNextAttempt || !isSameEngine(before, record),
    clearsFault: !isSameState(before, record) && !isEndOfRepair(before, record),
    completed: isCompleted ? attempt : null,
  };
}

/**
 * An engine comes online when every vdisk has a repair on record. Whoever found it failed since, perhaps without what that
 * repair had brought, knows more than the record: the fault stands until it is on record too. Only somebody who accepted what
 * was lost ends it.
 */
function isEndOfRepair(before: MemberRecord, record: MemberRecord): boolean {
  return (
    isUnderRepair(before) &&
    record.status === 'online' &&
    isSameEngine(before, record) &&
    record.isLossAccepted !== true
  );
}

export type EnginePlace = Pick<MemberRecord, 'identity' | 'address' | 'db'>;

export function isSameEngine(a: EnginePlace, b: EnginePlace): boolean {
  return a.address === b.address && a.db === b.db && a.identity.generation === b.identity.generation;
}

/** Records are told anew with every change in their cluster; only another engine, status or attempt is another state. */
export function isSameState(a: MemberRecord, b: MemberRecord): boolean {
  return isSameEngine(a, b) && a.status === b.status && attemptOf(a) === attemptOf(b);
}

/** Names the repair attempt that a record asks for, null when it asks for none. */
export function attemptOf(record: MemberRecord): string | null {
  return record.repair === null ? null : `${record.repair.incident}/${record.repair.attempt}`;
}
