/** What a mirrored image is, from what both clusters say. Pure. */
import type { RbdVolumeRecord } from '@salvor/config-store';
import type { DriverCondition, DriverStatus, DriverStatusWord } from '../replication-driver.ts';
import {
  compareIds,
  type RbdImageStatus,
  type RbdInfo,
  type RbdReport,
  type RbdSnapshot,
} from './rbd-answers.ts';
import { hasReached, rbdChain } from './rbd-chain.ts';
import { journalStanding } from './rbd-journal.ts';

/** `silent`: it could not be asked, or said nothing that can be used. */
export type Asked<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'silent'; readonly reason: string };

/** One side of a mirrored image, as its cluster tells; null where it says that there is none. */
export interface RbdSide {
  readonly zone: string;
  readonly info: Asked<RbdInfo | null>;
  readonly snapshots: Asked<readonly RbdSnapshot[]>;
  readonly status: Asked<RbdImageStatus | null>;
  /** By which the other side names it; null: not known. */
  readonly mirrorUuid: string | null;
}

export interface RbdSight {
  readonly local: RbdSide;
  readonly peer: RbdSide;
}

type RbdKnown = Pick<RbdVolumeRecord, 'open' | 'promotion' | 'points' | 'replaces'>;

/** What etcd of both zones has; null: nothing, or it could not be read. */
export interface RbdRecords {
  readonly local: RbdKnown | null;
  readonly peer: RbdKnown | null;
}

/** In this order, the first that is true. */
export type RbdStateWord =
  | 'unknown'
  | 'resyncing'
  | 'disabled'
  | 'changing'
  | 'dual-primary'
  | 'split-brain'
  | 'no-primary'
  | 'interrupted-promote'
  | 'error'
  | DriverStatusWord;

export interface RbdState extends DriverStatus {
  readonly state: RbdStateWord;
  readonly reason: string;
}

/** A daemon reports every 24 to 30 seconds. */
const STALE_MS = 60_000;

export function decideRbdStatus(sight: RbdSight, records: RbdRecords, now: number): RbdState {
  const { local, peer } = sight;
  const { state, reason } = stateOf(sight, records);
  const role = roleOf(local);
  const report = local.status.kind === 'answered' ? local.status.value : null;
  const isActive = state.startsWith('active - ');
  const stale = isStale(report, now);
  const conditions: DriverCondition[] = [];
  if (!isActive) conditions.push({ condition: state, reason });
  else
    for (const doubt of doubtsOf(sight, records, now))
      conditions.push({ condition: 'degraded', reason: doubt });
  return {
    ...{ state, reason, conditions, stale },
    role: tookPlace(sight, records) ? 'primary' : role,
    status: isActive ? (state as DriverStatusWord) : null,
    peer: peer.info.kind === 'answered' ? 'up' : peerSeen(report),
    rpoSeconds: rpoOf(sight, records, now),
    backlog: backlogOf(sight),
    ...{ observedAt: now, reportedAt: report?.at ?? null },
  };
}

function stateOf(
  sight: RbdSight,
  records: RbdRecords,
): { readonly state: RbdStateWord; readonly reason: string } {
  const { local, peer } = sight;
  const { info, status } = local;
  if (info.kind === 'silent')
    return { state: 'unknown', reason: `zone ${local.zone} cannot be asked: ${info.reason}` };
  if (records.local?.open?.verb === 'resync')
    return {
      state: 'resyncing',
      reason: `everything is copied anew (operation ${records.local.open.operation}); the image is absent for a while`,
    };
  const mirroring = info.value?.mirroring ?? null;
  if (tookPlace(sight, records))
    return roleOf(peer) === 'primary'
      ? { state: 'dual-primary', reason: bothArePrimary }
      : { state: 'active - primary', reason: `a clone of a point is primary in zone ${local.zone}` };
  if (mirroring === null)
    return {
      state: 'disabled',
      reason: info.value === null ? 'there is no image' : 'the image is not mirrored',
    };
  if (mirroring.state === 'disabling')
    return {
      state: 'changing',
      reason: "the image is in state 'disabling': a disable that has not ended, or that crashed",
    };
  if (local.snapshots.kind === 'silent')
    return {
      state: 'unknown',
      reason: `the snapshots of zone ${local.zone} cannot be listed: ${local.snapshots.reason}`,
    };
  const peerRole = roleOf(peer);
  if (mirroring.primary && peerRole === 'primary')
    return {
      state: 'dual-primary',
      reason: bothArePrimary,
    };
  const split = splitBrain({ local, peer }, records);
  if (split !== null) return { state: 'split-brain', reason: split };
  if (!mirroring.primary && peerRole === 'secondary')
    return { state: 'no-primary', reason: 'neither zone is primary: half of a planned failover' };
  const chain = rbdChain(local.snapshots.value);
  if (!mirroring.primary && chain.orphan.length > 0)
    return {
      state: 'interrupted-promote',
      reason: 'a forced promote did not end: neither repeat it nor end it; promote a clone of a point',
    };
  const report = status.kind === 'answered' ? status.value : null;
  if (mirroring.primary) {
    if (report?.up && report.word === 'error')
      return { state: 'error', reason: `the mirror daemon of zone ${local.zone} says ${report.text}` };
    return { state: 'active - primary', reason: `zone ${local.zone} takes writes` };
  }
  return secondaryState(local.zone, mirroring.mode, status, local.snapshots.value);
}

const bothArePrimary =
  'both zones say that they are primary: no client may be served before an operator names which one stays';

/** A clone of a point took the place of the image in this zone; it is not replicated. */
function tookPlace({ local }: RbdSight, records: RbdRecords): boolean {
  if (local.info.kind === 'silent' || local.info.value === null) return false;
  return local.info.value.mirroring === null && (records.local?.replaces ?? '') !== '';
}

function secondaryState(
  zone: string,
  mode: 'snapshot' | 'journal',
  status: Asked<RbdImageStatus | null>,
  snapshots: readonly RbdSnapshot[],
): { readonly state: RbdStateWord; readonly reason: string } {
  if (status.kind === 'silent')
    return { state: 'error', reason: `the status of zone ${zone} cannot be read: ${status.reason}` };
  const report = status.value;
  const says = report === null ? 'nothing' : `${report.state}, ${report.text}`;
  const newest = snapshots.findLast(({ kind }) => kind.type === 'copy')?.kind;
  const isWhole = mode === 'snapshot' && newest?.type === 'copy' && newest.complete;
  const updating = (reason: string): { readonly state: RbdStateWord; readonly reason: string } => ({
    state: 'active - updating',
    reason,
  });
  if (report === null || !report.up)
    // It says nothing about now; what the snapshots say is true all the same.
    return isWhole
      ? { state: 'active - secondary', reason: 'the newest point that arrived is whole' }
      : updating(`no whole newest point, and the mirror daemon of zone ${zone} does not report (${says})`);
  const { word, text, members } = report;
  if (word === 'syncing' || word === 'starting_replay') return updating(text);
  if (mode === 'snapshot' && newest !== undefined && !isWhole) return updating('a point is arriving');
  if (word === 'replaying' && text === 'replaying') {
    if (mode === 'journal') {
      const standing = journalStanding(members);
      if (standing.kind === 'unknown')
        return { state: 'error', reason: `the mirror daemon of zone ${zone} does not say how far it is` };
      return standing.kind === 'behind'
        ? updating(standing.reason)
        : { state: 'active - secondary', reason: 'the journal is applied' };
    }
    if (members.replay_state === 'syncing') return updating('a point is arriving');
    if (members.replay_state !== 'idle')
      return { state: 'error', reason: `the mirror daemon of zone ${zone} does not say what it does` };
    return isWhole
      ? { state: 'active - secondary', reason: 'the newest point that arrived is whole' }
      : updating('nothing has arrived yet');
  }
  return { state: 'error', reason: `the mirror daemon of zone ${zone} says ${says}` };
}

/** Why both sides wrote after they parted, as far as is known; null: not known that they did. */
function splitBrain({ local, peer }: RbdSight, records: RbdRecords): string | null {
  for (const { zone, status } of [local, peer]) {
    const report = status.kind === 'answered' ? status.value : null;
    // Both forms, split-brain and split-brain detected.
    if (report?.up && report.text.startsWith('split-brain'))
      return `the mirror daemon of zone ${zone} says ${report.text}`;
  }
  return forkOf(local, peer, records.peer) ?? forkOf(peer, local, records.local);
}

/**
 * `side` was primary when the other zone was promoted by force, and has nothing of what that one did since: Ceph says so
 * half a minute later.
 */
function forkOf(side: RbdSide, winner: RbdSide, ofWinner: RbdRecords['local']): string | null {
  const promotion = ofWinner?.promotion;
  if (promotion == null || !promotion.force || promotion.zone !== winner.zone) return null;
  if (side.snapshots.kind === 'silent' || roleOf(side) !== 'secondary' || winner.mirrorUuid === null)
    return null;
  if (promotion.snapId === null || rbdChain(side.snapshots.value).role !== 'demoted') return null;
  const since = { mirrorUuid: winner.mirrorUuid, snapId: promotion.snapId };
  return hasReached(side.snapshots.value, since)
    ? null
    : `zone ${winner.zone} was promoted by force while zone ${side.zone} was primary, which has not followed since`;
}

export function roleOf({ info }: RbdSide): DriverStatus['role'] {
  if (info.kind === 'silent') return 'unknown';
  const mirroring = info.value?.mirroring ?? null;
  return mirroring === null ? 'none' : mirroring.primary ? 'primary' : 'secondary';
}

/** What keeps an image that is what it should be from being safe, each as a sentence. */
function doubtsOf(sight: RbdSight, records: RbdRecords, now: number): string[] {
  const { local, peer } = sight;
  if (tookPlace(sight, records)) return ['what is primary is a clone of a point, and is not replicated'];
  const doubts: string[] = [];
  const own = local.status.kind === 'answered' ? local.status.value : null;
  if (local.status.kind === 'silent')
    doubts.push(`the status of zone ${local.zone} cannot be read: ${local.status.reason}`);
  else if (own === null || own.at === null)
    doubts.push(`the mirror daemon of zone ${local.zone} has not reported yet`);
  else if (!own.up) doubts.push(`the mirror daemon of zone ${local.zone} does not report any more`);
  else if (isStale(own, now))
    doubts.push(`the last report of the mirror daemon of zone ${local.zone} is old`);
  else if (roleOf(local) === 'primary' && own.text !== 'local image is primary')
    doubts.push(`the mirror daemon of zone ${local.zone} says ${own.state}, ${own.text}`);
  if (peer.info.kind === 'silent') {
    doubts.push(`zone ${peer.zone} cannot be asked: ${peer.info.reason}`);
    return doubts;
  }
  const there = roleOf(peer);
  if (there === 'none') doubts.push(`zone ${peer.zone} has no mirrored image`);
  if (roleOf(local) === 'primary' && there === 'secondary') {
    if (peer.snapshots.kind === 'silent')
      doubts.push(`the snapshots of zone ${peer.zone} cannot be listed: ${peer.snapshots.reason}`);
    const far = peer.status.kind === 'answered' ? peer.status.value : null;
    if (far === null || !far.up) doubts.push(`the mirror daemon of zone ${peer.zone} does not report`);
    else if (!REPLAYING.has(far.word)) doubts.push(`the mirror daemon of zone ${peer.zone} says ${far.text}`);
    if (peer.info.value?.mirroring?.state === 'disabling')
      doubts.push(`the image of zone ${peer.zone} is in state 'disabling'`);
  }
  return doubts;
}

const REPLAYING: ReadonlySet<string> = new Set(['replaying', 'syncing', 'starting_replay']);

function peerSeen(report: RbdImageStatus | null): 'down' | 'unknown' {
  return report?.peers.some(({ up }) => !up) === true ? 'down' : 'unknown';
}

function isStale(report: RbdReport | null, now: number): boolean {
  return report?.at == null || now - report.at > STALE_MS;
}

/** Snapshots of the primary that the other side needs beyond the newest, which it always has. */
function backlogOf({ local, peer }: RbdSight): number | null {
  const primary = [local, peer].find((side) => roleOf(side) === 'primary');
  if (primary === undefined || primary.snapshots.kind === 'silent') return null;
  return Math.max(0, rbdChain(primary.snapshots.value).withPeer.length - 1);
}

/** Age of the point of the primary that the other side has whole. */
function rpoOf({ local, peer }: RbdSight, records: RbdRecords, now: number): number | null {
  const isPrimary = roleOf(local) === 'primary';
  const [copier, source] = isPrimary ? [peer, local] : [local, peer];
  if (roleOf(copier) !== 'secondary' || copier.snapshots.kind === 'silent') return null;
  const copy = copier.snapshots.value.findLast(({ kind }) => kind.type === 'copy' && kind.complete)?.kind;
  if (copy?.type !== 'copy') return null;
  const at = madeAt(copy.primarySnapId, source, isPrimary ? records.local : records.peer);
  return at === null ? null : Math.max(0, (now - at) / 1_000);
}

function madeAt(snapId: string, source: RbdSide, record: RbdRecords['local']): number | null {
  const noted = record?.points.find(
    (point) => point.snapId !== null && compareIds(point.snapId, snapId) === 0,
  );
  if (noted !== undefined) return noted.at;
  if (source.snapshots.kind === 'silent') return null;
  return source.snapshots.value.find(({ id }) => id === snapId)?.at ?? null;
}
