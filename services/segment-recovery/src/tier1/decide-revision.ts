/** How high the revision of etcd has to be: epochs of owners are revisions, and must be above all earlier ones. Pure. */
import { SalvorError } from '@salvor/service-kit';

export interface RevisionTrace {
  readonly what: string;
  readonly revision: bigint;
}

export interface RevisionDecision {
  /** Null: it is high enough. */
  readonly raiseTo: bigint | null;
  readonly highest: RevisionTrace | null;
  readonly reason: string;
}

/** Beyond what left a trace: for what did not. */
export const REVISION_MARGIN = 1_000n;
/** Each takes a write; etcd is restored at another revision by its own tools where more are needed. */
export const RAISE_MAX = 1_000_000n;

/**
 * @param isSameHistory etcd is the one that gave all of these: none is above it that left no trace
 * @throws SalvorError `revision-too-far`
 */
export function decideRevision(
  current: bigint,
  traces: readonly RevisionTrace[],
  isSameHistory: boolean,
): RevisionDecision {
  const highest = traces.reduce<RevisionTrace | null>(
    (most, one) => (most === null || one.revision > most.revision ? one : most),
    null,
  );
  const isEnough = (most: bigint): boolean =>
    isSameHistory ? current > most : current >= most + REVISION_MARGIN;
  if (highest === null || isEnough(highest.revision))
    return {
      raiseTo: null,
      highest,
      reason: `etcd is at revision ${current}, above ${highest === null ? 'nothing' : `${highest.revision} (${highest.what})`}`,
    };
  const raiseTo = highest.revision + REVISION_MARGIN;
  if (raiseTo - current > RAISE_MAX)
    throw new SalvorError(
      'revision-too-far',
      `etcd is at revision ${current} and has to be above ${highest.revision} (${highest.what}), more than ${RAISE_MAX} writes away: take a snapshot of this etcd, restore it with 'etcdutl snapshot restore --bump-revision ${raiseTo - current} --mark-compacted' (etcd 3.6), start it, and recover again`,
    );
  return {
    raiseTo,
    highest,
    reason: `etcd is at revision ${current}, and ${highest.what} had ${highest.revision}`,
  };
}
