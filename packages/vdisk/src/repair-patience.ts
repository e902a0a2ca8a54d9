import type { EngineFault } from './errors.ts';
import { isUnderRepair, type MemberView } from './pair-mode.ts';

/** Replies of one attempt that an engine under repair may owe for too long; then it has failed all the same. */
export const REPAIR_TIMEOUTS_MAX = 5;

export interface MemberTrouble {
  readonly view: MemberView;
  readonly fault: EngineFault;
  /** Replies of this attempt that it owed for too long before. */
  readonly timeouts: number;
}

/**
 * Whether an engine has failed, or its repair only begins anew.
 *
 * Whoever must have every write has to be recorded as stale before anything is acknowledged without it. An engine under
 * repair is recorded as that already: its partner goes on alone, marks what it writes, and the repair is tried again. An
 * outage of an engine with very many vdisks ends in as many repairs, which keep it, or the machine, so busy that one of a
 * thousand waits for too long; told as a failure, that would be the next outage, with all of them to be done again.
 */
export function decideMemberTrouble({ view, fault, timeouts }: MemberTrouble): 'fail' | 'repair-again' {
  const isStale = isUnderRepair(view) && !view.repaired;
  return isStale && fault === 'timeout' && timeouts < REPAIR_TIMEOUTS_MAX ? 'repair-again' : 'fail';
}
