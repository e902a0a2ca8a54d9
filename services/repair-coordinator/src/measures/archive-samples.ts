import type { ArchiveRecord } from '@salvor/config-store';
import type { Measured } from './etcd-measures.ts';

/** @param now in milliseconds; states have the time of the source's clock */
export function archiveSamples(
  archives: readonly { readonly record: ArchiveRecord; readonly isWritten: boolean }[],
  now: number,
): Measured {
  return {
    salvor_archive_managers: archives.map(({ record, isWritten }) => [labelsOf(record), isWritten ? 1 : 0]),
    salvor_archive_newest_state_seconds: archives.flatMap(({ record, isWritten }) => {
      if (record.writtenAt === 0) return [];
      // Whether anything is missing is known only while somebody looks.
      const isLevel = isWritten && record.levelAt !== null;
      return [[labelsOf(record), isLevel ? 0 : Math.max(0, now - record.writtenAt) / 1_000] as const];
    }),
    salvor_archive_protected: archives.map(({ record }) => [labelsOf(record), isProtected(record) ? 1 : 0]),
  };
}

function labelsOf({ archive, volume }: ArchiveRecord): Record<string, string> {
  return { archive, volume };
}

function isProtected({ phase, base, overflow, trouble, lost }: ArchiveRecord): boolean {
  return phase === 'following' && base > 0 && overflow === null && trouble === null && lost === null;
}
