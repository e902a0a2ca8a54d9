/** Which moment of a consistency group a test failover shows. Pure. */

/** A cut that a vdisk has stood at, and the record of its own log that stands for it. */
export interface ReachedCut {
  readonly id: string;
  readonly number: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly ownSequence: number;
}

/** The newest cut that every volume has stood at, with the place of each; null: there is none. */
export function decideCommonCut(
  volumes: readonly { readonly volume: string; readonly reached: readonly ReachedCut[] }[],
): { readonly volume: string; readonly ownSequence: number; readonly at: number }[] | null {
  const [first, ...others] = volumes;
  const common = first?.reached.findLast(({ id }) =>
    others.every(({ reached }) => reached.some((cut) => cut.id === id)),
  );
  if (common === undefined) return null;
  return volumes.flatMap(({ volume, reached }) =>
    reached.filter(({ id }) => id === common.id).map(({ ownSequence, at }) => ({ volume, ownSequence, at })),
  );
}
