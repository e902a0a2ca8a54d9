import { overflowed } from './archive-gaps.ts';
import type { ArchiveRecord } from './archive-records.ts';

/**
 * The record of an archive as of `at`, in an etcd that was lost since: what the archive was given later, and how its segments are
 * numbered by now, is not known. What the volume has is compared with what is held, so that nothing is taken for there that is
 * not. A copy of another archive compares itself what it follows. Pure.
 */
export function archiveBroughtBack(record: ArchiveRecord, at: number): ArchiveRecord {
  if (record.source.kind === 'archive') return record;
  const reason = `etcd was lost; the record of this archive is of ${new Date(at).toISOString()}`;
  const next = overflowed(record, reason, at, record.backup?.way).next ?? record;
  // What it had come to stays known until the comparison begins: a store that lost its end since is told by that.
  const { place, phase } = record;
  return { ...next, place, phase: phase === 'stopped' ? phase : next.phase };
}
