/** What is to be done with a segment that Tier-1 may have already. Nothing that Tier-1 has otherwise is lost unasked. */

export interface SegmentInTier1 {
  /** What etcd has. */
  readonly record: { readonly digest: string; readonly operation: string } | null;
  /** The newest message of its log: what it ends with, if it is whole. */
  readonly log: { readonly digest: string | null; readonly operation: string } | null;
}

export interface WantedSegment {
  readonly digest: string;
  readonly operation: string;
  /** Whether what Tier-1 has otherwise is to be written again. */
  readonly replace: boolean;
}

export type SegmentWrite =
  /** Nothing: it was there before this operation. */
  | { readonly action: 'already' }
  /** Nothing: an earlier process wrote it for this operation. */
  | { readonly action: 'written' }
  /** Its log is whole; etcd is told. */
  | { readonly action: 'register' }
  | { readonly action: 'write' }
  | { readonly action: 'leave'; readonly why: string };

export function decideSegmentWrite(found: SegmentInTier1, wanted: WantedSegment): SegmentWrite {
  const { record, log } = found;
  const { digest, operation, replace } = wanted;
  const hasLog = log?.digest === digest;
  if (record !== null && record.digest !== digest)
    return replace ? { action: 'write' } : { action: 'leave', why: 'etcd has other facts of it' };
  if (log !== null && log.digest !== null && !hasLog)
    return replace ? { action: 'write' } : { action: 'leave', why: 'its log is whole, and has other facts' };
  if (!hasLog) return { action: 'write' };
  if (record === null) return { action: 'register' };
  return { action: record.operation === operation ? 'written' : 'already' };
}
