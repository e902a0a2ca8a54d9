/** When a group is cut again. Pure. */

/** However often it failed, it is tried this often at least, unless it is to be cut less often anyway. */
export const CUT_PAUSE_MAX_MS = 10_000;

/**
 * Milliseconds to the next try: each one that failed has kept servers from answering writes for a moment, so they come less often, up
 * to a bound. `failures`: in a row.
 */
export function decideCutPause(everyMs: number, failures: number): number {
  const bound = Math.max(everyMs, CUT_PAUSE_MAX_MS);
  // 2 ** 16 times the least interval is beyond the bound.
  return Math.min(bound, everyMs * 2 ** Math.min(failures, 16));
}
