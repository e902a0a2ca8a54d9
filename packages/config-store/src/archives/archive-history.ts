/**
 * Archives number their segments by themselves. Those of one history have the same segments under the same numbers; a copy
 * follows by number, so it goes on only where that is so. Pure.
 */
import type { ArchiveRecord } from './archive-records.ts';

/** Histories that one is known to have gone on from. */
export const archiveForksMax = 16;

export type ArchiveHistory = Pick<ArchiveRecord, 'history' | 'forks'>;

/** What a copy does with what its source holds. */
export type CopyStep =
  | 'goes-on'
  /** The source has nothing yet. */
  | 'waits'
  /** It has a part of another history, and nothing complete: it is copied again, from the beginning. */
  | 'begins-anew'
  /** It holds a history that is not that of its source any more, and may be the only one that does. */
  | 'parted';

/** The history of an archive that numbers by itself from now on. */
export function newHistory({ archive }: Pick<ArchiveRecord, 'archive'>, now: number): ArchiveHistory {
  return { history: `${archive}:${now}`, forks: [] };
}

/** As {@link newHistory}, behind a segment that the history before has as well. */
export function partedHistory(
  record: Pick<ArchiveRecord, 'archive' | 'history' | 'forks'>,
  number: number,
  now: number,
): ArchiveHistory {
  const { history } = newHistory(record, now);
  if (record.history === null || number === 0) return { history, forks: [] };
  return { history, forks: [...record.forks, { history: record.history, number }].slice(-archiveForksMax) };
}

/** Of a copy that has nothing yet: it has that of its source once it has a part of it. */
export const noHistory: ArchiveHistory = { history: null, forks: [] };

/** @param end number of the last segment that the copy holds; 0: it holds nothing */
export function decideCopy(
  record: Pick<ArchiveRecord, 'history' | 'base'>,
  end: number,
  from: ArchiveHistory,
): CopyStep {
  if (from.history === null) return 'waits';
  if (record.history === null || end <= commonWith(from, record.history)) return 'goes-on';
  return record.base > 0 ? 'parted' : 'begins-anew';
}

/** Up to which segment it has what a history has; 0: nothing of it is known to be there. */
function commonWith({ history, forks }: ArchiveHistory, of: string): number {
  if (history === of) return Number.MAX_SAFE_INTEGER;
  const at = forks.findLastIndex((fork) => fork.history === of);
  return at < 0 ? 0 : Math.min(...forks.slice(at).map(({ number }) => number));
}
