import { attemptOf } from './member-record.ts';
import type { MemberRecord } from './pair-context.ts';
import type { MemberView } from './pair-mode.ts';

/** What an owner keeps of a member besides its record. Repair attempts are named `incident/attempt`. */
export interface MemberState {
  /** The attempts that it was prepared for, and that it completed; null for none. */
  readonly preparedFor: string | null;
  readonly completedFor: string | null;
  /** The attempt that it completed by itself, as the member that served last: etcd tells every owner as much. */
  readonly vouchedFor: string | null;
  readonly failed: boolean;
}

/** What counts of a member when its owner decides how to serve: what was done in an attempt counts in that one only. */
export function decideMemberView(record: MemberRecord, state: MemberState): MemberView {
  const attempt = attemptOf(record);
  const repaired = attempt !== null && state.completedFor === attempt;
  return {
    status: record.status,
    repaired,
    unrecorded: repaired && record.repair?.completed !== true && state.vouchedFor !== attempt,
    prepared: attempt !== null && state.preparedFor === attempt,
    failed: state.failed,
  };
}
