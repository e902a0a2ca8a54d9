/** What an archive has not got, and the backup that makes up for it. Pure. */
import { type ArchiveDecision, archiveChanged, nameOfArchive } from './archive-outcome.ts';
import { type ArchiveBackup, type ArchiveRecord, archiveHolesMax } from './archive-records.ts';

/** What the log of the source lost before it was taken is in no archive; what is on the engines is compared. */
export function overflowed(
  record: ArchiveRecord,
  reason: string,
  now: number,
  way: 'full' | 'hash' = 'hash',
): ArchiveDecision {
  const name = nameOfArchive(record);
  if (record.source.kind === 'archive')
    return archiveChanged(
      record,
      {
        overflow: { at: now, reason },
        holes: opened(record, `what archive ${record.source.archive} does not hold any more`, now),
      },
      `${name} takes what archive ${record.source.archive} still holds: ${reason}`,
      now,
    );
  const promised = record.snapshots.map((each) =>
    each.state === 'promised' ? { ...each, state: 'lost' as const } : { ...each },
  );
  return archiveChanged(
    record,
    {
      ...{ phase: 'backup', place: null, overflow: record.overflow ?? { at: now, reason }, levelAt: null },
      ...{
        backup: begunBackup(record, reason, now, way),
        holes: opened(record, reason, now),
        snapshots: promised,
      },
    },
    `${name} is not protected: ${reason}. A backup by hashes is made`,
    now,
  );
}

/** A backup that has not begun yet: with what is held, if anything complete is. */
export function begunBackup(
  record: Pick<ArchiveRecord, 'base'>,
  reason: string,
  now: number,
  way: 'full' | 'hash' = 'hash',
): ArchiveBackup {
  return {
    ...{ way: record.base > 0 ? way : 'full', reason, beganAt: now, next: 0, blocks: 0 },
    ...{ sentBlocks: 0, sentBytes: 0, hashBytes: 0, base: null, behind: null, until: null, mark: null },
  };
}

/** A base with a gap behind it, as a copy may have one, is none to build on. */
export function wayBehind({ source, overflow }: ArchiveRecord): 'full' | 'hash' {
  return source.kind === 'archive' && overflow !== null ? 'full' : 'hash';
}

/** From now on states can be restored again. */
export function closed(holes: ArchiveRecord['holes'], now: number): ArchiveRecord['holes'] {
  return holes.map((hole) => (hole.to === null ? { ...hole, to: now } : hole));
}

/** A stretch of time without a state that can be restored begins behind the last write that is held. */
export function opened(record: ArchiveRecord, reason: string, now: number): ArchiveRecord['holes'] {
  if (record.base === 0 || record.holes.some(({ to }) => to === null)) return record.holes;
  const from = record.writtenAt === 0 ? now : record.writtenAt;
  return [...record.holes, { from, to: null, reason }].slice(-archiveHolesMax);
}
