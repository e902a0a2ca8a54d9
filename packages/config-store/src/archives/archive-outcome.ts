/** What a decision about an archive comes to. */
import type { ArchiveRecord } from './archive-records.ts';

export type ArchiveCode =
  | 'decided'
  | 'same-operation'
  | 'operation-reused'
  | 'as-it-was'
  | 'unknown-archive'
  | 'unknown-snapshot'
  | 'snapshot-exists'
  | 'not-complete'
  | 'not-following'
  | 'behind'
  | 'wrong-source'
  | 'overflow'
  | 'too-many'
  | 'conflict';

export interface ArchiveDecision {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: ArchiveCode;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** Of `applied`: the record from now on. */
  readonly next?: ArchiveRecord;
  /** Others of the volume that change with it. */
  readonly others?: readonly ArchiveRecord[];
}

export function refuseArchive(code: ArchiveCode, reason: string): ArchiveDecision {
  return { outcome: 'refused', code, reason };
}

export function archiveUnchanged(reason: string): ArchiveDecision {
  return { outcome: 'already', code: 'as-it-was', reason };
}

export function archiveChanged(
  before: ArchiveRecord,
  change: Partial<ArchiveRecord>,
  reason: string,
  now: number,
): ArchiveDecision {
  const next = { ...before, ...change, reason, changedAt: now };
  return { outcome: 'applied', code: 'decided', reason, next };
}

export function nameOfArchive({ archive, volume }: Pick<ArchiveRecord, 'archive' | 'volume'>): string {
  return `archive ${archive} of volume ${volume}`;
}
