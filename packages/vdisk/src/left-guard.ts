/**
 * An engine that came back without its last writes may have lost the end of its repair, the copies with it. Its number does not
 * tell, and where its partner is away nobody else does. What it has back is its copy guard: that goes as the last step of a
 * repair, before the repair is put on record.
 */
/** `incident/attempt` of the repair that a copy guard belongs to; null when it names none. */
export function attemptOfGuard(guard: string): string | null {
  const [incident, attempt, ...more] = guard.split('/');
  return incident !== undefined && attempt !== undefined && more.length === 2
    ? `${incident}/${attempt}`
    : null;
}

export interface LeftGuard {
  /** That very repair is on record as complete. */
  readonly isOnRecord: boolean;
  /** Somebody knew that the engine had lost something, and accepted it; it was not repaired since. */
  readonly isLossAccepted: boolean;
}

/**
 * What a copy guard on a member without a partner to compare it with means: `lost` is the end of a repair; `forgiven` was
 * lost, or may have been, and somebody gave it up; a repair that never ended leaves its guard, and says nothing.
 */
export function decideLeftGuard({ isOnRecord, isLossAccepted }: LeftGuard): 'lost' | 'forgiven' | 'nothing' {
  if (isLossAccepted) return 'forgiven';
  return isOnRecord ? 'lost' : 'nothing';
}
