import type { ArchiveRecord } from '@salvor/config-store';
import type { ArchiveDescriptionInit } from '@salvor/contracts';

/** A volume as an archive holds it. */
export function describeArchive(record: ArchiveRecord): ArchiveDescriptionInit {
  const { archive, volume, role, source, phase, reason, generation, place, backup, trouble } = record;
  const isFromZone = source.kind === 'zone';
  return {
    ...{ archive, volume, role, phase, reason, generation, status: statusOf(record) },
    source: isFromZone ? `zone ${source.zone}` : `archive ${source.archive}`,
    ...{ sizeBytes: record.sizeBytes, blockSize: record.blockSize, changedAt: record.changedAt },
    ...(place === null ? {} : { sequence: place.sequence }),
    ...(place === null || !isFromZone ? {} : { sourceSequence: place.segment.last }),
    ...(record.writtenAt === 0 ? {} : { writtenAt: record.writtenAt }),
    ...{ isLevel: record.levelAt !== null, isRestorable: record.base > 0 },
    ...(record.overflow === null ? {} : { overflow: record.overflow.reason }),
    ...(trouble === null ? {} : { sendError: sendErrorOf(record) }),
    ...(record.lost === null ? {} : { lost: record.lost.reason }),
    ...(backup === null
      ? {}
      : {
          backup: {
            ...{ way: backup.way, reason: backup.reason, next: backup.next, blocks: backup.blocks },
            ...{ sentBlocks: backup.sentBlocks, sentBytes: backup.sentBytes, hashBytes: backup.hashBytes },
            beganAt: backup.beganAt,
          },
        }),
    holes: record.holes.map(({ from, to, reason: why }) => ({
      from,
      reason: why,
      ...(to === null ? {} : { to }),
    })),
    snapshots: record.snapshots.map(({ name, state, generation: of, sequence, at }) => ({
      ...{ name, state, generation: of, at },
      ...(sequence === null ? {} : { sequence }),
    })),
    retention: {
      everyStateMs: record.retention.everyStateMs,
      points: record.retention.points,
      pointEveryMs: record.retention.pointEveryMs,
    },
  };
}

/** What nothing comes for, as a sentence; empty: it comes, or need not. */
export function sendErrorOf({ trouble }: Pick<ArchiveRecord, 'trouble'>): string {
  return trouble === null ? '' : `${trouble.reason} (${trouble.code}, tried ${trouble.tries} times)`;
}

function statusOf({ phase, overflow, trouble, levelAt }: ArchiveRecord): string {
  if (phase === 'stopped') return 'stopped';
  if (overflow !== null) return 'overflow';
  if (trouble !== null) return 'trouble';
  if (phase === 'backup') return 'backup';
  return levelAt === null ? 'catching-up' : 'protected';
}
