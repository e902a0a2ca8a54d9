export const FIRST_RESTART_MS = 100;
export const MAX_RESTART_MS = 10_000;
/** A child that ran this long was well: its next restart is a first one again. */
export const STEADY_RUN_MS = 30_000;

/** How long to wait before a child is started again. `previousMs` is the wait before the run that ended, null for none. */
export function decideRestartDelay(previousMs: number | null, ranMs: number): number {
  if (previousMs === null || ranMs >= STEADY_RUN_MS) return FIRST_RESTART_MS;
  return Math.min(previousMs * 2, MAX_RESTART_MS);
}
