/** What becomes of an archive by what whoever writes it finds out. Pure. */
import type { LogSegment } from '../volumes/volume-records.ts';
import { newHistory, noHistory, partedHistory } from './archive-history.ts';
import { type ArchiveDecision, archiveChanged, archiveUnchanged, nameOfArchive } from './archive-outcome.ts';
import {
  type ArchiveBackup,
  type ArchivePlace,
  type ArchiveRecord,
  type ArchiveSnapshot,
  type ArchiveSource,
  archiveHolesMax,
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

function closed(holes: ArchiveRecord['holes'], now: number): ArchiveRecord['holes'] {
  return holes.map((hole) => (hole.to === null ? { ...hole, to: now } : hole));
}

function opened(record: ArchiveRecord, reason: string, now: number): ArchiveRecord['holes'] {
  if (record.base === 0 || record.holes.some(({ to }) => to === null)) return record.holes;
  const from = record.writtenAt === 0 ? now : record.writtenAt;
  return [...record.holes, { from, to: null, reason }].slice(-archiveHolesMax);
}

/**
 * The archive lost what it held. Where it is the primary one, the archive that holds most takes over, and gives back what it has:
 * with all of it at once, else after it was compared with the volume.
 */
function contentLost(
  record: ArchiveRecord,
  { sequence, number, reason }: ArchiveNews & { kind: 'content-lost' },
  others: readonly ArchiveRecord[],
  now: number,
): ArchiveDecision {
  const name = nameOfArchive(record);
  const lost = { at: now, reason };
  const isEndLost = sequence > 0 && record.base > 0 && record.base <= sequence;
  const heir = heirOf(record, isEndLost ? number : 0, others);
  const snapshots = record.snapshots.map((each) =>
    (each.sequence ?? sequence + 1) > sequence ? { ...each, state: 'lost' as const } : { ...each },
  );
  if (isEndLost && heir === undefined)
    return archiveChanged(
      record,
      {
        ...{ lost, snapshots, place: null, levelAt: null, holes: opened(record, reason, now) },
        ...(record.source.kind === 'zone'
          ? {
              ...{ phase: 'backup', backup: begunBackup(record, reason, now) },
              // Numbers behind it are given a second time.
              ...partedHistory(record, number, now),
            }
          : { phase: 'following' }),
      },
      `${name} lost its end: ${reason}`,
      now,
    );
  const gives = (other: ArchiveRecord): boolean =>
    other.role === 'primary' && isHealthy(other) && !isTakenFrom(other, record.archive, others);
  const giver = heir ?? others.find(gives);
  const nothing = { lost, place: null, levelAt: null, base: 0, sizeBytes: 0, blockSize: 0, overflow: null };
  if (giver !== undefined) {
    const again = archiveChanged(
      record,
      {
        ...{ ...nothing, role: 'secondary', phase: 'following', backup: null, snapshots: [], holes: [] },
        ...{ source: { kind: 'archive', archive: giver.archive }, ...noHistory },
      },
      `${name} lost what it held (${reason}), and is made again from archive ${giver.archive}, with its history`,
      now,
    );
    return heir === undefined ? again : { ...again, others: [takenOver(heir, record, now, 'lost')] };
  }
  if (record.source.kind === 'archive')
    return archiveChanged(
      record,
      { ...nothing, ...noHistory, phase: 'following', backup: null, snapshots: [], holes: [] },
      `${name} lost what it held (${reason}), and is copied again from archive ${record.source.archive}`,
      now,
    );
  const why = `it lost what it held: ${reason}`;
  return archiveChanged(
    record,
    {
      ...{ ...nothing, snapshots, phase: 'backup', backup: begunBackup({ base: 0 }, why, now) },
      ...newHistory(record, now),
    },
    `${name} lost what it held (${reason}). No other archive can take over: its history is lost, and a full backup of what the volume holds now is made`,
    now,
  );
}

/** Who is primary in the place of one that has nothing behind segment `left` any more. */
function heirOf(
  record: ArchiveRecord,
  left: number,
  others: readonly ArchiveRecord[],
): ArchiveRecord | undefined {
  if (record.role !== 'primary') return undefined;
  const reach = ({ place }: ArchiveRecord): number => place?.number ?? 0;
  const copies = others
    .filter((other) => isHealthy(other) && isCopyOf(other, record) && reach(other) > left)
    .toSorted((a, b) => reach(b) - reach(a));
  if (left > 0) return copies[0];
  const independent = others.find((other) => isHealthy(other) && other.source.kind === 'zone');
  return others.find((other) => hasAllOf(other, record)) ?? copies[0] ?? independent;
}

function isCopyOf({ source, history }: ArchiveRecord, of: ArchiveRecord): boolean {
  return source.kind === 'archive' && source.archive === of.archive && history === of.history;
}

/** Whether an archive takes what it holds from another one, directly or by way of others. */
export function isTakenFrom(
  { source }: Pick<ArchiveRecord, 'source'>,
  archive: string,
  all: readonly ArchiveRecord[],
): boolean {
  const seen = new Set<string>();
  for (let from = source; from.kind === 'archive'; ) {
    const name = from.archive;
    if (name === archive) return true;
    const next = all.find((each) => each.archive === name);
    if (next === undefined || seen.has(name)) return false;
    seen.add(name);
    from = next.source;
  }
  return false;
}

function isHealthy({ phase, base, lost, overflow }: ArchiveRecord): boolean {
  return phase === 'following' && base > 0 && overflow === null && lost === null;
}

/** Whether an archive holds everything that the other one had acknowledged. */
export function hasAllOf(other: ArchiveRecord, record: ArchiveRecord): boolean {
  if (!isHealthy(other)) return false;
  const { source, place, backup } = record;
  if (other.source.kind === 'archive') {
    // Until a backup has ended, what was taken of it tells no state.
    const isWhole = isCopyOf(other, record) && backup === null && place !== null;
    return isWhole && other.place !== null && other.place.number >= place.number;
  }
  if (place === null) return true;
  if (other.place === null || source.kind !== 'zone' || source.zone !== other.source.zone) return false;
  return isBehindOrAt(place.segment, other.place.segment);
}

function isBehindOrAt(a: LogSegment, b: LogSegment): boolean {
  return a.number <= b.number && a.epoch <= b.epoch;
}

/**
 * It goes on where the other one was: what followed that one follows its source from now on. What is no copy of all that it had,
 * of a backup that is complete, is compared with the volume first.
 *
 * @param fate of the other one: it goes on by itself, or has lost what it had
 */
export function takenOver(
  heir: ArchiveRecord,
  from: ArchiveRecord,
  now: number,
  fate: 'goes-on' | 'lost',
): ArchiveRecord {
  const primary = {
    ...heir,
    role: 'primary' as const,
    reason: `${nameOfArchive(heir)} is primary, in the place of archive ${from.archive}`,
    changedAt: now,
  };
  if (heir.source.kind === 'zone' || heir.source.archive !== from.archive) return primary;
  if (from.source.kind === 'archive') return { ...primary, source: from.source };
  // Both number on by themselves from here.
  const own = fate === 'lost' ? {} : partedHistory(heir, heir.place?.number ?? 0, now);
  const taken = { ...primary, ...own, source: from.source };
  const isLevel =
    isCopyOf(heir, from) &&
    from.backup === null &&
    heir.overflow === null &&
    from.place !== null &&
    heir.place?.number === from.place.number;
  if (isLevel) return { ...taken, place: from.place };
  const reason = `archive ${from.archive} is its source no more`;
  const backup = begunBackup(heir, reason, now, wayBehind(heir));
  return { ...taken, phase: 'backup', place: null, levelAt: null, backup };
}
