/** Whether an image may become primary here, and how. Pure. */

import { type RbdSight, roleOf } from './decide-rbd-status.ts';
import { rbdChain } from './rbd-chain.ts';
import { journalStanding } from './rbd-journal.ts';

export type RbdPromotion =
  /** Nothing is to be done: it is primary. */
  | { readonly kind: 'done'; readonly reason: string }
  /** Nothing was changed, and nothing will be. */
  | { readonly kind: 'refuse'; readonly code: string; readonly reason: string }
  | { readonly kind: 'wait'; readonly reason: string }
  /** `rbd mirror image promote`, with or without `--force`. */
  | { readonly kind: 'promote'; readonly force: boolean; readonly reason: string }
  /** A clone of this point takes the place of the image. */
  | { readonly kind: 'clone'; readonly point: string; readonly reason: string };

export interface RbdPromoteOrder {
  readonly operation: string;
  /** A human says so. */
  readonly force: boolean;
  /** That point and nothing newer; empty: what is newest. */
  readonly point: string;
  /** A forced promote of this operation was begun before, and its end is not known. */
  readonly wasForced: boolean;
}

/** Names of points of the driver: `dr-<n>`. */
const POINT = /^dr-(\d{1,15})$/;

export function numberOfPoint(name: string): number | null {
  const digits = POINT.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** The points of a list of names, oldest first. */
export function pointsAmong(names: readonly string[]): string[] {
  return names
    .filter((name) => numberOfPoint(name) !== null)
    .sort((a, b) => (numberOfPoint(a) ?? 0) - (numberOfPoint(b) ?? 0));
}

/**
 * Never forces without the word of a human, and with it only where nothing is unfinished: mid-sync `promote --force` hangs,
 * tears, crashes, or lands on an older point.
 */
export function decideRbdPromote(sight: RbdSight, order: RbdPromoteOrder): RbdPromotion {
  const { local, peer } = sight;
  const { force, point } = order;
  if (local.info.kind === 'silent')
    return refuse('unreachable', `zone ${local.zone} cannot be asked: ${local.info.reason}`);
  const mirroring = local.info.value?.mirroring ?? null;
  if (mirroring === null) return refuse('not-mirrored', 'there is no mirrored image in this zone');
  if (point !== '' && !force)
    return refuse(
      'bad-request',
      'an earlier point is promoted with force only: what came after it is given up',
    );
  const peerRole = roleOf(peer);
  if (mirroring.primary && point === '') {
    if (peerRole === 'primary')
      return refuse('dual-primary', `both zones are primary: demote the one whose writes are given up`);
    return { kind: 'done', reason: `zone ${local.zone} is primary` };
  }
  if (local.snapshots.kind === 'silent')
    return refuse(
      'unreachable',
      `the snapshots of zone ${local.zone} cannot be listed: ${local.snapshots.reason}`,
    );
  const chain = rbdChain(local.snapshots.value);
  if (peerRole === 'primary')
    return refuse(
      'peer-is-primary',
      `zone ${peer.zone} is primary, and answers: demote it there; a promote here would make two primaries`,
    );
  if (point !== '') {
    if (pointsAmong(chain.validUserSnapshots).includes(point))
      return { kind: 'clone', point, reason: `a clone of point ${point} takes the place of the image` };
    return refuse('unknown-point', `point ${point} is not whole in zone ${local.zone}`);
  }
  if (order.wasForced)
    return refuse(
      'promote-unknown',
      `a forced promote of this operation did not end, and may have done half of its work: it is not repeated; promote a point (${pointsAmong(chain.validUserSnapshots).at(-1) ?? 'none is whole here'})`,
    );
  if (!force) return plannedPromotion(sight, chain, peerRole);
  const report = local.status.kind === 'answered' ? local.status.value : null;
  if (mirroring.state === 'disabling') return cloneInstead(chain, "the image is in state 'disabling'");
  if (chain.orphan.length > 0)
    return cloneInstead(chain, 'a forced promote was begun before and did not end');
  if (chain.incomplete.length > 0) return cloneInstead(chain, 'a point had not arrived whole');
  if (mirroring.mode === 'journal') {
    const hindrance = journalHindrance(report);
    return hindrance === null
      ? { kind: 'promote', force: true, reason: 'the journal that arrived is applied' }
      : refuse('not-complete', hindrance);
  }
  if (!chain.forcePromoteSafe) return refuse('not-complete', 'nothing has arrived whole in this zone');
  if (isSyncing(report)) return cloneInstead(chain, 'a point is arriving');
  return { kind: 'promote', force: true, reason: 'the newest point is whole, and nothing is unfinished' };
}

function plannedPromotion(
  { local, peer }: RbdSight,
  chain: ReturnType<typeof rbdChain>,
  peerRole: ReturnType<typeof roleOf>,
): RbdPromotion {
  if (peerRole === 'unknown')
    return refuse(
      'peer-unreachable',
      `zone ${peer.zone} does not answer: whether it still takes writes is not known; if it is lost, promote with force`,
    );
  if (chain.orphan.length > 0)
    return refuse('interrupted-promote', 'a forced promote did not end: promote a point, with force');
  const mode = local.info.kind === 'answered' ? local.info.value?.mirroring?.mode : undefined;
  if (peerRole === 'none' && chain.role !== 'demoted')
    return refuse(
      'peer-not-mirrored',
      `zone ${peer.zone} has no mirrored image: what it had is not known here`,
    );
  if (mode === 'journal')
    // Its demotion is an entry of the journal; rbd says whether it arrived.
    return { kind: 'promote', force: false, reason: `zone ${peer.zone} is primary no more` };
  if (chain.role === 'demoted')
    return {
      kind: 'promote',
      force: false,
      reason: `zone ${local.zone} was demoted itself, and has everything`,
    };
  if (!chain.demotedArrived)
    return { kind: 'wait', reason: `the last snapshot of zone ${peer.zone} has not arrived whole` };
  return { kind: 'promote', force: false, reason: `the last snapshot of zone ${peer.zone} is whole here` };
}

function cloneInstead(chain: ReturnType<typeof rbdChain>, why: string): RbdPromotion {
  const point = pointsAmong(chain.validUserSnapshots).at(-1);
  if (point === undefined)
    return refuse(
      'no-point',
      `${why}, and no point is whole here: wait for the other zone; a forced promote would tear the image`,
    );
  return { kind: 'clone', point, reason: `${why}: a clone of point ${point} takes the place of the image` };
}

/** Null: nothing that arrived is left to be applied, as far as the daemon says. */
function journalHindrance(
  report: {
    readonly up: boolean;
    readonly word: string;
    readonly text: string;
    readonly members: Readonly<Record<string, unknown>>;
  } | null,
): string | null {
  if (!report?.up)
    return 'the mirror daemon of this zone does not report: how far the journal is applied is not known';
  const { word, text, members } = report;
  if (word === 'syncing' || word === 'starting_replay') return `the mirror daemon of this zone says ${text}`;
  const standing = journalStanding(members);
  if (word === 'replaying' && standing.kind === 'behind')
    return `${standing.reason}: a forced promote in the middle of a replay was never tried`;
  if (word === 'replaying' && standing.kind === 'applied') return null;
  return `the mirror daemon of this zone says ${text}: how far the journal is applied is not known`;
}

function isSyncing(
  report: { readonly word: string; readonly members: Readonly<Record<string, unknown>> } | null,
): boolean {
  return report?.word === 'syncing' || report?.members.replay_state === 'syncing';
}

function refuse(code: string, reason: string): RbdPromotion {
  return { kind: 'refuse', code, reason };
}

/** What a zone wants to be promoted, and how far it is with saying so. */
export interface RbdClaim {
  readonly zone: string;
  readonly at: number;
  /** It may go on: whoever comes now is too late. */
  readonly isGoing: boolean;
}

/**
 * Which of two zones that are to be promoted at the same time goes on. Each writes its claim before it reads the other
 * one's, and goes on only where it then read none: so never both.
 */
export function decideRbdClaim(own: RbdClaim, other: RbdClaim | null): 'go' | 'wait' | 'give-way' {
  if (own.isGoing || other === null) return 'go';
  if (other.isGoing) return 'give-way';
  const isFirst = own.at < other.at || (own.at === other.at && own.zone < other.zone);
  return isFirst ? 'wait' : 'give-way';
}

/** Whether the snapshot list of `records` says nothing against a resync here. */
export function decideRbdResync(
  sight: RbdSight,
  { discard, clones }: { readonly discard: string; readonly clones: readonly string[] },
): RbdPromotion {
  const { local, peer } = sight;
  if (discard !== local.zone)
    return refuse(
      'wrong-zone',
      `a resync here gives up what zone ${local.zone} has: name it; ${discard || 'nothing'} was named`,
    );
  const role = roleOf(local);
  if (role === 'unknown') return refuse('unreachable', `zone ${local.zone} cannot be asked`);
  if (role === 'none') return refuse('not-mirrored', 'there is no mirrored image in this zone');
  if (role === 'primary')
    return refuse('wrong-role', `zone ${local.zone} is primary: it is demoted before it is given up`);
  if (roleOf(peer) !== 'primary')
    return refuse(
      'peer-not-primary',
      `zone ${peer.zone} is not known to be primary: the image would be deleted, and nothing copied`,
    );
  if (peer.snapshots.kind === 'silent')
    return refuse('unreachable', `the snapshots of zone ${peer.zone} cannot be listed`);
  if (clones.length > 0)
    return refuse('has-clones', `clones of its points are there (${clones.join(', ')}): remove them first`);
  return { kind: 'promote', force: false, reason: `everything of zone ${peer.zone} is copied anew` };
}
