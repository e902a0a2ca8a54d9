/** Who goes on in the place of an archive that lost what it held. Pure. */
import type { LogSegment } from '../volumes/volume-records.ts';
import { begunBackup, opened, wayBehind } from './archive-gaps.ts';
import { newHistory, noHistory, partedHistory } from './archive-history.ts';
import { type ArchiveDecision, archiveChanged, nameOfArchive } from './archive-outcome.ts';
import type { ArchiveRecord } from './archive-records.ts';

/**
 * The archive lost what it held. Where it is the primary one, the archive that holds most takes over, and gives back what it has:
 * with all of it at once, else after it was compared with the volume.
 */
export function contentLost(
  record: ArchiveRecord,
  {
    sequence,
    number,
    reason,
  }: { readonly sequence: number; readonly number: number; readonly reason: string },
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
