/** Points of a mirrored image: a snapshot that can be cloned, and the mirror snapshot that carries it over. */
import type { RbdPoint, RbdVolumeRecord } from '@salvor/config-store';
import { numberOfPoint, pointsAmong } from './decide-rbd-promote.ts';
import { type RbdSight, roleOf } from './decide-rbd-status.ts';
import { compareIds } from './rbd-answers.ts';
import { hasReached, rbdChain } from './rbd-chain.ts';
import type { RbdImage } from './rbd-image.ts';

/** Points that stay on the primary although newer ones are whole in the other zone. */
const KEPT = 2;
/** Points that the other zone may lack before no more are taken, where no schedule says. */
export const BACKLOG_MAX = 3;

export function newestPoint({ points }: Pick<RbdVolumeRecord, 'points'>): RbdPoint | undefined {
  return points.at(-1);
}

/** A number that no point of either side ever had. */
export function nextNumber(record: Pick<RbdVolumeRecord, 'nextPoint'>, { local, peer }: RbdSight): number {
  const numbers = [local, peer].flatMap(({ snapshots }) =>
    snapshots.kind === 'silent' ? [] : snapshots.value.map(({ name }) => numberOfPoint(name) ?? 0),
  );
  return Math.max(record.nextPoint, ...numbers.map((number) => number + 1));
}

export interface PointTurn {
  readonly point: RbdPoint;
  /** What it waits for; empty: it is whole in the other zone. */
  readonly reason: string;
  /** It will never be. */
  readonly isLost: boolean;
}

/** Goes on with a point that is on record, from whatever was done of it. */
export async function continuePoint(point: RbdPoint, image: RbdImage, sight: RbdSight): Promise<PointTurn> {
  if (point.complete) return { point, reason: '', isLost: false };
  const { local, peer } = sight;
  const waits = (reason: string, now = point): PointTurn => ({ point: now, reason, isLost: false });
  if (local.info.kind === 'silent' || local.snapshots.kind === 'silent')
    return waits(`zone ${local.zone} cannot be asked`);
  let list = local.snapshots.value;
  let snapId = point.snapId;
  if (snapId === null) {
    if (roleOf(local) !== 'primary')
      return { point, reason: `zone ${local.zone} is primary no more`, isLost: true };
    if (!list.some(({ name }) => name === point.name)) {
      const { outcome, message } = await image.createSnapshot(point.name);
      if (outcome === 'wrong-role') return { point, reason: message, isLost: true };
      if (outcome !== 'done') return waits(message);
      const again = await image.side();
      if (again.snapshots.kind === 'silent') return waits(again.snapshots.reason);
      list = again.snapshots.value;
    }
    const own = list.find(({ name }) => name === point.name);
    if (own === undefined) return waits(`snapshot ${point.name} is not there`);
    // Any mirror snapshot behind it carries it over.
    const carrier = list.findLast(({ id, kind }) => kind.type === 'own' && compareIds(id, own.id) > 0);
    snapId = carrier?.id ?? null;
    if (snapId === null) {
      const taken = await image.takeMirrorSnapshot();
      if (taken.outcome === 'wrong-role') return { point, reason: taken.message, isLost: true };
      if (taken.snapId === null) return waits(`no mirror snapshot yet: ${taken.message}`);
      snapId = taken.snapId;
    }
  }
  const carried = { ...point, snapId };
  const isWhole =
    peer.snapshots.kind === 'answered' &&
    local.mirrorUuid !== null &&
    hasReached(peer.snapshots.value, { mirrorUuid: local.mirrorUuid, snapId });
  if (isWhole) return { point: { ...carried, complete: true }, reason: '', isLost: false };
  return waits(
    peer.info.kind === 'silent'
      ? `zone ${peer.zone} cannot be asked: ${peer.info.reason}`
      : `point ${point.name} has not arrived whole in zone ${peer.zone}`,
    carried,
  );
}

/** Snapshots of points that nobody needs any more: older than the newest two that are whole in the other zone. */
export function spentPoints(record: Pick<RbdVolumeRecord, 'clones'>, { local, peer }: RbdSight): string[] {
  if (roleOf(local) !== 'primary') return [];
  if (local.snapshots.kind === 'silent' || peer.snapshots.kind === 'silent') return [];
  const whole = pointsAmong(rbdChain(peer.snapshots.value).validUserSnapshots);
  const eldest = whole.at(-KEPT);
  if (eldest === undefined) return [];
  const pinned = new Set(record.clones.map(({ point }) => point));
  const here = local.snapshots.value.filter(({ kind }) => kind.type === 'user').map(({ name }) => name);
  return pointsAmong(here).filter(
    (name) => (numberOfPoint(name) ?? 0) < (numberOfPoint(eldest) ?? 0) && !pinned.has(name),
  );
}
