/** What becomes of an archive by what whoever writes it finds out. Pure. */
import { closed, overflowed } from './archive-gaps.ts';
import { contentLost } from './archive-heirs.ts';
import { noHistory } from './archive-history.ts';
import { type ArchiveDecision, archiveChanged, archiveUnchanged, nameOfArchive } from './archive-outcome.ts';
import type {
  ArchiveBackup,
  ArchivePlace,
  ArchiveRecord,
  ArchiveSnapshot,
  ArchiveSource,
} from './archive-records.ts';

type Positions = NonNullable<ArchiveBackup['until']>;

/** By what whoever found something out was working: news of a source or a backup that is over are void. */
export interface ArchiveTask {
  readonly source: ArchiveSource;
  readonly lineage: number;
  /** Of the backup; null: it follows. */
  readonly beganAt: number | null;
}

/** What was found out. */
export type ArchiveNews = ArchiveFinding & { readonly of?: ArchiveTask };

type ArchiveFinding =
  /** The comparison begins: how the primary is, and where its log is. */
  | {
      readonly kind: 'compare-begun';
      readonly behind: NonNullable<ArchiveBackup['behind']>;
      readonly blocks: number;
      readonly sizeBytes: number;
      readonly blockSize: number;
      /** Record of the archive with which a full backup begins. */
      readonly first: number;
    }
  | {
      readonly kind: 'compared';
      readonly next: number;
      readonly sentBlocks: number;
      readonly sentBytes: number;
      readonly hashBytes: number;
    }
  /** The engines that are compared with were restarted: from the first block again. */
  | { readonly kind: 'compare-void'; readonly reason: string }
  /** All blocks are compared; the log goes on at `place`. */
  | { readonly kind: 'compare-ended'; readonly until: Positions; readonly place: ArchivePlace }
  /** The segment without records that says that the state before it is clean is about to be written. */
  | { readonly kind: 'mark'; readonly number: number }
  /** A backup is complete: the state at `place` is what the primary held. */
  | { readonly kind: 'clean'; readonly place: ArchivePlace }
  | {
      readonly kind: 'archived';
      readonly place: ArchivePlace;
      readonly writtenAt: number;
      readonly isLevel: boolean;
      /** Of the vdisk, where it grew. */
      readonly sizeBytes?: number;
      /** Of what is copied from another archive: which base it has reached, and what it is a copy of. */
      readonly copied?: ArchiveCopied;
    }
  /** The source has no more what comes next. */
  | { readonly kind: 'source-lost'; readonly reason: string }
  /** The archive itself lacks what it had; `sequence` and `number`: the last record and segment that are left, 0: none. */
  | {
      readonly kind: 'content-lost';
      readonly sequence: number;
      readonly number: number;
      readonly reason: string;
    }
  /** The folder in which a copy was to begin holds something else, which stays. */
  | { readonly kind: 'occupied' }
  /** Somebody begins to write it; `found`: the latest epoch of what is there. */
  | { readonly kind: 'opened'; readonly found: number }
  /** What a copy holds so far, nothing complete, is of another history than its source has now. */
  | { readonly kind: 'begins-anew' }
  | { readonly kind: 'trouble'; readonly code: string; readonly reason: string }
  | { readonly kind: 'relief' };

export function decideArchive(
  record: ArchiveRecord,
  news: ArchiveNews,
  others: readonly ArchiveRecord[],
  now: number,
): ArchiveDecision {
  const name = nameOfArchive(record);
  const { backup } = record;
  if (record.phase === 'stopped' && news.kind !== 'relief') return archiveUnchanged(`${name} is stopped`);
  if (news.of !== undefined && !isTaskOf(record, news.of))
    return archiveUnchanged(`${name} is taken from elsewhere by now, or compared anew`);
  switch (news.kind) {
    case 'compare-begun': {
      if (backup === null || backup.behind !== null) return archiveUnchanged(`${name} compares already`);
      const { behind, blocks, sizeBytes, blockSize, first } = news;
      const base = backup.way === 'full' ? first : null;
      return archiveChanged(
        record,
        { backup: { ...backup, behind, blocks, base, next: 0 }, sizeBytes, blockSize, place: null },
        `${name} is compared with the primary: ${backup.reason}`,
        now,
      );
    }
    case 'compared': {
      if (backup === null || backup.behind === null || news.next < backup.next)
        return archiveUnchanged(`${name} does not compare`);
      const { kind: _, of: __, ...counts } = news;
      return archiveChanged(record, { backup: { ...backup, ...counts } }, record.reason, now);
    }
    case 'compare-void': {
      if (backup === null) return archiveUnchanged(`${name} does not compare`);
      const again = { ...backup, behind: null, until: null, mark: null, base: null, next: 0 };
      return archiveChanged(
        record,
        { backup: again, place: null },
        `${name} is compared anew: ${news.reason}`,
        now,
      );
    }
    case 'compare-ended': {
      if (backup?.behind == null) return archiveUnchanged(`${name} does not compare`);
      const { until, place } = news;
      return archiveChanged(
        record,
        { backup: { ...backup, until: [...until] }, place },
        `${name} has all blocks, and takes what was written meanwhile`,
        now,
      );
    }
    case 'mark':
      if (backup?.until == null) return archiveUnchanged(`${name} has no backup that could end`);
      return archiveChanged(record, { backup: { ...backup, mark: news.number } }, record.reason, now);
    case 'clean': {
      if (backup === null) return archiveUnchanged(`${name} is clean`);
      return archiveChanged(
        record,
        {
          ...{ phase: 'following', backup: null, overflow: null, trouble: null, place: news.place },
          ...{ base: backup.base ?? record.base, generation: record.generation + 1 },
          holes: closed(record.holes, now),
          snapshots: reached(record.snapshots, news.place, record.generation + 1),
        },
        `${name} is complete and follows: a ${backup.way} backup took ${backup.sentBlocks} of ${backup.blocks} blocks`,
        now,
      );
    }
    case 'archived':
      return archived(record, news, now);
    case 'source-lost':
      return overflowed(record, news.reason, now);
    case 'content-lost':
      return contentLost(record, news, others, now);
    case 'occupied':
      if (record.place !== null || record.source.kind === 'zone')
        return archiveUnchanged(`${name} goes on in its folder`);
      return archiveChanged(record, { lineage: record.lineage + 1 }, record.reason, now);
    case 'opened':
      return archiveChanged(record, { epoch: Math.max(record.epoch, news.found) + 1 }, record.reason, now);
    case 'begins-anew':
      if (record.source.kind === 'zone' || record.base > 0)
        return archiveUnchanged(`${name} keeps what it holds`);
      return archiveChanged(
        record,
        { lineage: record.lineage + 1, place: null, levelAt: null, ...noHistory },
        `${name} is copied from archive ${record.source.archive} again, which was begun anew`,
        now,
      );
    case 'trouble': {
      const { code, reason } = news;
      const before = record.trouble;
      const tries = before?.code === code ? before.tries + 1 : 1;
      const at = before?.at ?? now;
      return archiveChanged(record, { trouble: { code, reason, at, tries } }, record.reason, now);
    }
    case 'relief':
      return record.trouble === null
        ? archiveUnchanged(`${name} has no trouble`)
        : archiveChanged(record, { trouble: null }, record.reason, now);
    default:
      throw new RangeError(`unknown news ${JSON.stringify(news satisfies never)}`);
  }
}

/** What a copy takes over from the archive that it is made of. */
export type ArchiveCopied = Pick<
  ArchiveRecord,
  'base' | 'generation' | 'sizeBytes' | 'blockSize' | 'snapshots' | 'history' | 'forks'
>;

/**
 * Of an archive that holds nothing complete only what it is is taken over, and of names those that lie within what is held. A
 * state that is restorable here stays so when the other archive has lost it.
 */
export function copiedFrom(
  record: ArchiveRecord,
  from: ArchiveRecord,
  { isLevel, sequence }: { readonly isLevel: boolean; readonly sequence: number },
): ArchiveCopied {
  const { history, forks } = from;
  if (from.base === 0) {
    const { base, generation, sizeBytes, blockSize, snapshots } = record;
    return { base, generation, sizeBytes, blockSize, snapshots, history, forks };
  }
  const { generation, sizeBytes, blockSize } = from;
  const snapshots = from.snapshots
    .filter((each) => each.sequence !== null && each.sequence <= sequence)
    .map((each) => {
      const own = record.snapshots.find(({ name }) => name === each.name);
      const isKept = own?.state === 'restorable' && own.sequence === each.sequence;
      return isKept ? { ...each, state: own.state } : { ...each };
    });
  const base = isLevel ? from.base : record.base;
  return { base, generation, sizeBytes, blockSize, snapshots, history, forks };
}

function isTaskOf({ source, lineage, backup }: ArchiveRecord, of: ArchiveTask): boolean {
  const isSource =
    source.kind === 'zone'
      ? of.source.kind === 'zone' && of.source.zone === source.zone
      : of.source.kind === 'archive' && of.source.archive === source.archive;
  return isSource && lineage === of.lineage && (backup?.beganAt ?? null) === of.beganAt;
}

function archived(
  record: ArchiveRecord,
  { place, writtenAt, isLevel, sizeBytes, copied }: ArchiveNews & { kind: 'archived' },
  now: number,
): ArchiveDecision {
  const name = nameOfArchive(record);
  const isBehind = record.place !== null && place.number < record.place.number;
  const isBackupOpen = record.backup !== null && record.backup.until === null;
  if (isBehind || isBackupOpen) return archiveUnchanged(`${name} is further`);
  const isFirst = copied !== undefined && record.base === 0 && copied.base > 0;
  return archiveChanged(
    record,
    {
      ...{ place, trouble: null, writtenAt: Math.max(record.writtenAt, writtenAt) },
      levelAt: isLevel ? (record.levelAt ?? now) : null,
      snapshots: reached(record.snapshots, place, record.generation),
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(copied ?? {}),
      // What it lacks lies before the base that it has reached.
      ...(copied === undefined || !isLevel ? {} : { overflow: null, holes: closed(record.holes, now) }),
    },
    isFirst ? `${name} is complete and follows` : record.reason,
    now,
  );
}

/** Names whose state has come are restorable from now on. */
function reached(
  snapshots: readonly ArchiveSnapshot[],
  { segment, sequence }: ArchivePlace,
  generation: number,
): ArchiveSnapshot[] {
  return snapshots.map((each) => {
    const isThere =
      each.state === 'promised' && each.generation === generation && each.source <= segment.last;
    return isThere
      ? { ...each, state: 'restorable', sequence: each.source + sequence - segment.last }
      : { ...each };
  });
}
