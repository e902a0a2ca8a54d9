/** A mirrored image in the words of volumes. Pure. */
import type { RbdSightRecord, RbdVolumeRecord } from '@salvor/config-store';
import { pointsAmong } from '../drivers/rbd/decide-rbd-promote.ts';
import type { RbdSight, RbdState } from '../drivers/rbd/decide-rbd-status.ts';
import { roleOf } from '../drivers/rbd/decide-rbd-status.ts';
import type { RbdSnapshot } from '../drivers/rbd/rbd-answers.ts';
import { rbdChain } from '../drivers/rbd/rbd-chain.ts';
import type { RbdPeerRecord } from '../drivers/rbd/rbd-verbs.ts';

export interface RbdLooked {
  readonly record: RbdVolumeRecord;
  readonly sight: RbdSight;
  readonly state: RbdState;
  readonly peer: RbdPeerRecord | null;
  readonly peerSeenAt: number | null;
}

export function decideRbdStanding(looked: RbdLooked, now: number): RbdSightRecord {
  const { record, sight, state, peer, peerSeenAt } = looked;
  const { local } = sight;
  const info = local.info.kind === 'answered' ? local.info.value : null;
  const snapshots = local.snapshots.kind === 'answered' ? local.snapshots.value : [];
  const base = {
    sizeBytes: info?.sizeBytes ?? 0,
    ...{ level: isLevel(looked, snapshots), sequence: sequenceOf(looked, snapshots) },
    ...{ peerGeneration: peer?.generation ?? null, peerSeenAt },
    rpoMs: state.rpoSeconds === null ? null : Math.round(state.rpoSeconds * 1_000),
    ...{ stale: state.stale, backlog: state.backlog, points: pointsOf(record, snapshots) },
    ...{ at: now, reportedAt: state.reportedAt },
  };
  // An image that is not replicated takes writes like any other.
  if (info !== null && info.mirroring === null && record.mode === null && !record.follows)
    return {
      ...{ ...base, role: 'primary', status: 'active - primary', phase: 'serving', conditions: [] },
      reason: `image ${record.pool}/${record.image} takes writes, and is not replicated`,
    };
  const conditions = state.conditions.map(({ condition, reason }) => ({ condition, reason }));
  return {
    ...{ ...base, role: state.role, status: state.status ?? '', conditions },
    ...{ phase: phaseOf(looked, snapshots), reason: state.reason },
  };
}

function phaseOf(looked: RbdLooked, snapshots: readonly RbdSnapshot[]): string {
  const { state, sight } = looked;
  const chain = rbdChain(snapshots);
  switch (state.state) {
    case 'active - primary':
      return 'serving';
    case 'dual-primary':
    case 'split-brain':
      return 'split';
    case 'resyncing':
      return 'resyncing';
    case 'no-primary':
      return wasPrimaryLast(looked, chain.role) ? 'waiting' : 'following';
    case 'active - updating':
    case 'active - secondary':
      return chain.lastComplete !== null || isReplaying(sight) ? 'following' : 'copying';
    case 'unknown':
    case 'disabled':
    case 'changing':
    case 'interrupted-promote':
    case 'error':
      return 'waiting';
  }
}

/** By its snapshots, or, in journal mode, which has none and whose daemons say the same in both zones, by what is on record. */
function wasPrimaryLast({ record, peer }: RbdLooked, role: string): boolean {
  if (role !== 'none') return role === 'demoted';
  const own = record.promotion?.generation ?? (record.follows ? 0 : 1);
  const others = peer?.promotion?.generation ?? (record.follows ? 1 : 0);
  return own > others;
}

function isReplaying({ local }: RbdSight): boolean {
  const report = local.status.kind === 'answered' ? local.status.value : null;
  return report?.word === 'replaying' && typeof report.members.entries_behind_primary === 'number';
}

/** Nothing is missing here that the other zone had. */
function isLevel({ sight, state }: RbdLooked, snapshots: readonly RbdSnapshot[]): boolean {
  if (roleOf(sight.local) !== 'secondary') return false;
  if (state.state === 'active - secondary') return true;
  if (state.state !== 'no-primary') return false;
  const { status } = sight.local;
  const report = status.kind === 'answered' ? status.value : null;
  return (
    rbdChain(snapshots).demotedArrived || (report?.up === true && report.text === 'remote image demoted')
  );
}

/** Of a demoted primary its last mirror snapshot, of a secondary the one that it has; journal mode has none: 0. */
function sequenceOf({ sight }: RbdLooked, snapshots: readonly RbdSnapshot[]): number | null {
  const info = sight.local.info.kind === 'answered' ? sight.local.info.value : null;
  if (info?.mirroring == null || info.mirroring.primary) return null;
  if (info.mirroring.mode === 'journal') return 0;
  const newest = snapshots.findLast(
    ({ kind }) => (kind.type === 'own' && kind.demoted) || (kind.type === 'copy' && kind.complete),
  );
  if (newest === undefined) return null;
  const id = Number(newest.kind.type === 'copy' ? newest.kind.primarySnapId : newest.id);
  return Number.isSafeInteger(id) ? id : null;
}

function pointsOf(record: RbdVolumeRecord, snapshots: readonly RbdSnapshot[]): RbdSightRecord['points'] {
  const whole = new Set(rbdChain(snapshots).validUserSnapshots);
  return pointsAmong(snapshots.filter(({ kind }) => kind.type === 'user').map(({ name }) => name)).map(
    (name) => ({
      name,
      at:
        record.points.find((point) => point.name === name)?.at ??
        snapshots.find((each) => each.name === name)?.at ??
        null,
      complete: whole.has(name),
    }),
  );
}
