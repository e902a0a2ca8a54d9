import type { ArchiveRecord, ArchiveResult } from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';

/** Tells what became of an archive; never fails. */
export type AnnounceArchive = (result: ArchiveResult) => void;

export function archiveAnnouncer(log: Logger): AnnounceArchive {
  return ({ outcome, archive, volume, before, record, reason, operation, others }) => {
    if (outcome !== 'applied' || faceOf(before) === faceOf(record)) return;
    const fields = { archive, volume, phase: record?.phase, role: record?.role, reason, operation };
    const isBad = record?.overflow != null && before?.overflow == null;
    if (isBad) log.error(fields, 'a volume is not protected by an archive');
    else log.info(fields, 'archive changed');
    for (const other of others)
      log.info({ ...other, snapshots: undefined }, 'archive changed with another one');
  };
}

/** What of a record others care about: not how far it has come since. */
function faceOf(record: ArchiveRecord | null): string {
  if (record === null) return '';
  const { role, phase, source, generation, overflow, trouble, lost } = record;
  return JSON.stringify([role, phase, source, generation, overflow?.at, trouble?.code, lost?.at]);
}
