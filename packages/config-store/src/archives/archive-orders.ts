/** What an operator may order of an archive, and what becomes of it. Pure. */
import { begunBackup, wayBehind } from './archive-gaps.ts';
import { hasAllOf, isTakenFrom, takenOver } from './archive-heirs.ts';
import { newHistory, noHistory, partedHistory } from './archive-history.ts';
import {
  type ArchiveDecision,
  archiveChanged,
  archiveUnchanged,
  nameOfArchive,
  refuseArchive,
} from './archive-outcome.ts';
import {
  type ArchiveRecord,
  type ArchiveRetention,
  type ArchiveSource,
  archiveSnapshotsMax,
  defaultArchiveRetention,
} from './archive-records.ts';

export type ArchiveOrder =
  | { readonly kind: 'start-synchronizing'; readonly source: ArchiveSource }
  | { readonly kind: 'stop-synchronizing' }
  | { readonly kind: 'backup'; readonly way: 'full' | 'hash' }
  | { readonly kind: 'kick' }
  | { readonly kind: 'make-primary'; readonly force: boolean }
  /** `sourceLast`: last record that the source has. */
  | { readonly kind: 'snapshot'; readonly name: string; readonly sourceLast: number }
  | { readonly kind: 'drop-snapshot'; readonly name: string }
  | { readonly kind: 'set-retention'; readonly retention: ArchiveRetention };

export interface ArchiveNamed {
  readonly archive: string;
  readonly volume: string;
}

export function decideArchiveOrder(
  named: ArchiveNamed,
  record: ArchiveRecord | null,
  order: ArchiveOrder,
  others: readonly ArchiveRecord[],
  now: number,
): ArchiveDecision {
  if (order.kind === 'start-synchronizing') return started(named, record, order.source, others, now);
  const name = nameOfArchive(named);
  if (record === null)
    return refuseArchive(
      'unknown-archive',
      `archive ${named.archive} does not hold volume ${named.volume}; 'salvor archive start-synchronizing' makes it`,
    );
  switch (order.kind) {
    case 'stop-synchronizing':
      if (record.phase === 'stopped') return archiveUnchanged(`${name} is stopped`);
      return archiveChanged(
        record,
        { phase: 'stopped', levelAt: null, trouble: null },
        `${name} is stopped; what it holds stays`,
        now,
      );
    case 'backup':
      return backup(record, order.way, now);
    case 'kick':
      return archiveChanged(record, { kicks: record.kicks + 1 }, record.reason, now);
    case 'make-primary':
      return makePrimary(record, order.force, others, now);
    case 'snapshot':
      return snapshot(record, order.name, order.sourceLast, now);
    case 'drop-snapshot': {
      if (!record.snapshots.some((each) => each.name === order.name))
        return refuseArchive('unknown-snapshot', `${name} has no snapshot ${order.name}`);
      const snapshots = record.snapshots.filter((each) => each.name !== order.name);
      return archiveChanged(record, { snapshots }, record.reason, now);
    }
    case 'set-retention':
      return archiveChanged(record, { retention: order.retention }, record.reason, now);
    default:
      throw new RangeError(`unknown order ${JSON.stringify(order satisfies never)}`);
  }
}

function started(
  named: ArchiveNamed,
  record: ArchiveRecord | null,
  source: ArchiveSource,
  others: readonly ArchiveRecord[],
  now: number,
): ArchiveDecision {
  const name = nameOfArchive(named);
  const where = source.kind === 'zone' ? `zone ${source.zone}` : `archive ${source.archive}`;
  if (isTakenFrom({ source }, named.archive, others))
    return refuseArchive(
      'wrong-source',
      `${name} cannot be its own source, nor that of an archive that is taken from it`,
    );
  if (source.kind === 'archive' && !others.some(({ archive }) => archive === source.archive))
    return refuseArchive('unknown-archive', `archive ${source.archive} does not hold volume ${named.volume}`);
  const isFromZone = source.kind === 'zone';
  if (record === null) {
    const role = others.some((other) => other.role === 'primary') ? 'secondary' : 'primary';
    const fresh: ArchiveRecord = {
      ...named,
      ...{ role, source, phase: isFromZone ? 'backup' : 'following', reason: '', generation: 0 },
      ...{
        place: null,
        lineage: 0,
        epoch: 0,
        ...(isFromZone ? newHistory(named, now) : noHistory),
        sizeBytes: 0,
        blockSize: 0,
        base: 0,
        overflow: null,
        trouble: null,
        lost: null,
      },
      backup: isFromZone ? begunBackup({ base: 0 }, 'it holds nothing yet', now) : null,
      ...{ holes: [], snapshots: [], retention: defaultArchiveRetention, kicks: 0, writtenAt: 0 },
      ...{ levelAt: null, changedAt: now },
    };
    return archiveChanged(fresh, {}, `${name} is made from ${where}`, now);
  }
  const isSame =
    record.source.kind === 'zone'
      ? source.kind === 'zone' && source.zone === record.source.zone
      : source.kind === 'archive' && source.archive === record.source.archive;
  if (isSame && record.phase !== 'stopped') return archiveUnchanged(`${name} follows ${where} already`);
  if (isSame && (record.backup !== null || record.place !== null || !isFromZone))
    return archiveChanged(
      record,
      { phase: record.backup === null ? 'following' : 'backup' },
      `${name} goes on from ${where}`,
      now,
    );
  // Archives that have parted number their segments differently.
  if (!isFromZone && record.base > 0)
    return refuseArchive(
      'wrong-source',
      `${name} holds a history of its own: another archive is copied to an empty one; forget it first ('salvor archive stop-synchronizing --forget')`,
    );
  return archiveChanged(
    record,
    {
      ...{ source, place: null, levelAt: null, trouble: null },
      ...(isFromZone
        ? {
            phase: 'backup' as const,
            backup: begunBackup(record, `it is taken from ${where} from now on`, now, wayBehind(record)),
            // It numbers by itself from now on.
            ...(record.source.kind === 'archive'
              ? partedHistory(record, record.place?.number ?? 0, now)
              : {}),
          }
        : { phase: 'following' as const, backup: null, ...noHistory }),
    },
    `${name} is taken from ${where} from now on`,
    now,
  );
}

function backup(record: ArchiveRecord, way: 'full' | 'hash', now: number): ArchiveDecision {
  const name = nameOfArchive(record);
  if (record.source.kind === 'archive')
    return refuseArchive(
      'wrong-source',
      `${name} is a copy of archive ${record.source.archive}: order the backup there`,
    );
  if (way === 'hash' && record.base === 0)
    return refuseArchive(
      'not-complete',
      `${name} holds nothing complete to compare with: make a full backup`,
    );
  const begun = begunBackup(record, 'an operator ordered it', now, way);
  return archiveChanged(
    record,
    {
      ...{ phase: 'backup', backup: begun, place: null, levelAt: null, trouble: null },
      snapshots: record.snapshots.map((each) =>
        each.state === 'promised' ? { ...each, state: 'lost' as const } : { ...each },
      ),
    },
    `${name}: a ${begun.way} backup is made`,
    now,
  );
}

function makePrimary(
  record: ArchiveRecord,
  force: boolean,
  others: readonly ArchiveRecord[],
  now: number,
): ArchiveDecision {
  const name = nameOfArchive(record);
  if (record.role === 'primary') return archiveUnchanged(`${name} is primary`);
  if (record.base === 0 && !force) return refuseArchive('not-complete', `${name} holds nothing complete yet`);
  const before = others.find((other) => other.role === 'primary');
  if (before !== undefined && !force && !hasAllOf(record, before))
    return refuseArchive(
      'behind',
      `${name} does not hold all that archive ${before.archive} acknowledged; wait until it does, or give that up (--force)`,
    );
  const next =
    before === undefined
      ? { ...record, role: 'primary' as const, reason: `${name} is primary`, changedAt: now }
      : takenOver(record, before, now, 'goes-on');
  const given = before === undefined ? [] : [givenUp(before, record, now)];
  return { outcome: 'applied', code: 'decided', reason: next.reason, next, others: given };
}

/** It stays what it is, but for its role. */
function givenUp(before: ArchiveRecord, { archive }: ArchiveRecord, now: number): ArchiveRecord {
  const reason = `${nameOfArchive(before)} is secondary: archive ${archive} is primary`;
  return { ...before, role: 'secondary', reason, changedAt: now };
}

function snapshot(record: ArchiveRecord, name: string, sourceLast: number, now: number): ArchiveDecision {
  const of = nameOfArchive(record);
  if (record.source.kind === 'archive')
    return refuseArchive(
      'wrong-source',
      `${of} is a copy of archive ${record.source.archive}: name the state there`,
    );
  if (record.snapshots.some((each) => each.name === name))
    return refuseArchive('snapshot-exists', `${of} has a snapshot ${name} already`);
  if (record.snapshots.length >= archiveSnapshotsMax)
    return refuseArchive('too-many', `${of} has ${archiveSnapshotsMax} snapshots; remove some`);
  if (record.overflow !== null)
    return refuseArchive('overflow', `${of} is not protected: ${record.overflow.reason}`);
  const { phase, place } = record;
  if (phase !== 'following' || record.base === 0)
    return refuseArchive('not-following', `${of} does not follow: ${record.reason}`);
  const isThere = place !== null && place.segment.last >= sourceLast;
  const { generation } = record;
  const found = {
    ...{ name, generation, source: sourceLast, at: now },
    ...(isThere
      ? { state: 'restorable' as const, sequence: sourceLast + place.sequence - place.segment.last }
      : { state: 'promised' as const, sequence: null }),
  };
  return archiveChanged(record, { snapshots: [...record.snapshots, found] }, record.reason, now);
}
