import type { ArchiveRecord } from '@salvor/config-store';
import type { Measured } from './etcd-measures.ts';

/** @param now in milliseconds; states have the time of the source's clock */
export function archiveSamples(
  archives: readonly { readonly record: ArchiveRecord; readonly isWritten: boolean }[],
  now: number,
): Measured {
  // To one that was stopped nothing is to come.
  const wanted = archives.filter(({ record }) => record.phase !== 'stopped');
  return {
    salvor_archive_managers: wanted.map(({ record, isWritten }) => [labelsOf(record), isWritten ? 1 : 0]),
    salvor_archive_newest_state_seconds: wanted.flatMap(({ record, isWritten }) => {
      if (record.writtenAt === 0) return [];
      // Whether anything is missing is known only while somebody looks.
      const isLevel = isWritten && record.levelAt !== null;
      return [[labelsOf(record), isLevel ? 0 : Math.max(0, now - record.writtenAt) / 1_000] as const];
    }),
    salvor_archive_protected: wanted.map(({ record }) => [labelsOf(record), isProtected(record) ? 1 : 0]),
  };
}

function labelsOf({ archive, volume }: ArchiveRecord): Record<string, string> {
  return { archive, volume };
}

function isProtected({ phase, base, overflow, trouble, lost }: ArchiveRecord): boolean {
  return phase === 'following' && base > 0 && overflow === null && trouble === null && lost === null;
}
