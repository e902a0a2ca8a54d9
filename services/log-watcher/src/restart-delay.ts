const FIRST_RESTART_MS = 100;
/** A child that ran this long was well: its next restart is a first one again. */
const STEADY_RUN_MS = 30_000;

/**
 * How long to wait before a child is started again, at most `maxMs`. `previousMs` is the wait before the run that ended,
 * null for none.
 */
export function decideRestartDelay(previousMs: number | null, ranMs: number, maxMs: number): number {
  if (previousMs === null || ranMs >= STEADY_RUN_MS) return Math.min(FIRST_RESTART_MS, maxMs);
  return Math.min(previousMs * 2, maxMs);
}
