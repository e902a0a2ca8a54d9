/** Which states of a log are kept. */
export interface Retention {
  /** Every state that is younger can be restored. */
  readonly everyStateMs: number;
  /** Of older ones, so many: one each {@link pointEveryMs}. */
  readonly points: number;
  readonly pointEveryMs: number;
}

/** From when on all states are kept, and the older times whose states are. Milliseconds since 1970 UTC, newest first. */
export interface RetentionPoints {
  readonly horizonAt: number;
  readonly pointsAt: readonly number[];
}

/**
 * The older times lie on a grid that stands still: what one compaction keeps for such a time, the next one keeps for the same
 * time. Times that moved with the horizon would each find the state that was kept for them too young, and merge it away.
 */
export function retentionPoints(
  { everyStateMs, points, pointEveryMs }: Retention,
  now: number,
): RetentionPoints {
  const horizonAt = now - everyStateMs;
  const newest = Math.floor(horizonAt / pointEveryMs);
  return { horizonAt, pointsAt: Array.from({ length: points }, (_, i) => (newest - i) * pointEveryMs) };
}
