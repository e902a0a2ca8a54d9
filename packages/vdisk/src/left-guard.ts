/**
 * An engine that came back without its last writes may have lost the end of its repair, the copies with it. Its number does not
 * tell, and where its partner is away nobody else does. What it has back is its copy guard: that goes as the last step of a
 * repair, before the repair is put on record. It may be that of an earlier attempt, when all of the last one is lost.
 */
export interface GuardedAttempt {
  readonly incident: string;
  readonly attempt: number;
}

/** What a copy guard belongs to (`incident/attempt/epoch/count`); null when it names nothing. */
export function attemptOfGuard(guard: string): GuardedAttempt | null {
  const [incident, attempt, ...more] = guard.split('/');
  if (incident === undefined || incident === '' || attempt === undefined || more.length !== 2) return null;
  return /^\d{1,15}$/.test(attempt) ? { incident, attempt: Number(attempt) } : null;
}

export interface LeftGuard {
  /** The attempt that the guard is of, null when it names none. */
  readonly attempt: number | null;
  /** The attempts of that incident in which the vdisk was repaired, by what is on record. */
  readonly recorded: readonly number[];
  /** Somebody knew that the engine had lost something, and accepted it; it was not repaired since. */
  readonly isLossAccepted: boolean;
}

/**
 * What a copy guard on a member without a partner to compare it with means: `lost` is the end of a repair, of that attempt or
 * a later one; `forgiven` was lost, or may have been, and somebody gave it up; a repair that never ended leaves its guard, and
 * says nothing.
 */
export function decideLeftGuard({
  attempt,
  recorded,
  isLossAccepted,
}: LeftGuard): 'lost' | 'forgiven' | 'nothing' {
  if (isLossAccepted) return 'forgiven';
  return attempt !== null && recorded.some((ended) => ended >= attempt) ? 'lost' : 'nothing';
}
