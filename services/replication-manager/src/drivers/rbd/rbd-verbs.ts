/** How each long verb goes on from where it is. What is about to be done is on record before it is done. */
import type { RbdOpen, RbdVolumeRecord } from '@salvor/config-store';
import {
  decideRbdClaim,
  decideRbdPromote,
  decideRbdResync,
  type RbdClaim,
  type RbdPromotion,
} from './decide-rbd-promote.ts';
import { type RbdSide, type RbdSight, roleOf } from './decide-rbd-status.ts';
import { rbdChain } from './rbd-chain.ts';
import type { RbdImage } from './rbd-image.ts';
import { journalStanding } from './rbd-journal.ts';
import { newestPoint } from './rbd-points.ts';

/** What a turn of a verb came to. */
export interface VerbEnd {
  readonly state: 'waiting' | 'done' | 'refused' | 'unknown';
  readonly code: string;
  readonly reason: string;
  readonly made: string;
}

/** What is asked of the record of the other zone. */
export type RbdPeerRecord = Pick<
  RbdVolumeRecord,
  'open' | 'generation' | 'promotion' | 'points' | 'replaces'
>;

/** What a verb works with. */
export interface VerbScene {
  readonly zone: string;
  readonly local: RbdImage;
  readonly peer: RbdImage;
  readonly open: RbdOpen;
  readonly record: RbdVolumeRecord;
  readonly now: () => number;
  sight(): Promise<RbdSight>;
  /** Of the other zone; rejects when it does not answer. */
  peerRecord(): Promise<RbdPeerRecord | null>;
  /** Puts on record what comes next, and what changed; the scene as it is then. */
  note(step: string, change?: (record: RbdVolumeRecord) => Partial<RbdVolumeRecord>): Promise<VerbScene>;
}

export const done = (reason: string, made = ''): VerbEnd => ({ state: 'done', code: '', reason, made });
export const refused = (code: string, reason: string): VerbEnd => ({
  state: 'refused',
  code,
  reason,
  made: '',
});
export const waiting = (reason: string): VerbEnd => ({ state: 'waiting', code: '', reason, made: '' });
const unknownEnd = (reason: string): VerbEnd => ({ state: 'unknown', code: 'unknown', reason, made: '' });

/** A promote whose call may have been made and whose end is not known. */
const FORCED = 'forced';
const UNENDED = 'unended';
const CLAIMED = 'claimed';
const PROMOTING = 'promoting';
/** It is on record; only the answer may be missing. */
const PROMOTED = 'promoted';

export async function promote(scene: VerbScene): Promise<VerbEnd> {
  const { open } = scene;
  const { force, name: point } = open.order;
  if (open.step === PROMOTED)
    return done(nowPrimary(scene), scene.record.replaces === '' ? '' : scene.record.image);
  const wasBegun = open.step === FORCED || open.step === UNENDED;
  const sight = await scene.sight();
  const asks = { operation: open.operation, force, point, wasForced: wasBegun };
  const decided = decideRbdPromote(sight, asks);
  if (decided.kind === 'done')
    return wasBegun || open.step === PROMOTING ? promoted(scene, sight.local) : done(decided.reason);
  if (wasBegun) return unknownEnd(unfinished(decided));
  if (decided.kind === 'refuse') return refused(decided.code, decided.reason);
  if (decided.kind === 'wait') return waiting(decided.reason);
  if (decided.kind === 'clone') return takeOver(scene, decided.point);
  if (decided.force) return callPromote(await scene.note(FORCED), true);
  const claimed = await claim(scene);
  if ('state' in claimed) return claimed;
  // Another one may have come first before the claim was there.
  const again = decideRbdPromote(await claimed.sight(), asks);
  if (again.kind !== 'promote' || again.force) {
    await claimed.note('begun');
    return again.kind === 'refuse' ? refused(again.code, again.reason) : waiting(again.reason);
  }
  return callPromote(claimed, false);
}

function unfinished(decided: RbdPromotion): string {
  const what = 'reason' in decided ? decided.reason : '';
  return `a promote was begun, and how it ended is not known: it is neither ended nor repeated; ${what}`;
}

/** Of two zones that are to be promoted one goes on. */
async function claim(scene: VerbScene): Promise<VerbScene | VerbEnd> {
  const own: RbdClaim = { zone: scene.zone, at: scene.open.at, isGoing: scene.open.step === PROMOTING };
  const claimed = own.isGoing || scene.open.step === CLAIMED ? scene : await scene.note(CLAIMED);
  let other: RbdPeerRecord | null;
  try {
    other = await claimed.peerRecord();
  } catch {
    await claimed.note('begun');
    return refused('peer-unreachable', `zone ${scene.peer.zone} does not say whether it is being promoted`);
  }
  const theirs = other?.open;
  const isClaim = theirs?.verb === 'promote' && theirs.step !== 'begun';
  const verdict = decideRbdClaim(
    own,
    isClaim ? { zone: scene.peer.zone, at: theirs.at, isGoing: theirs.step !== CLAIMED } : null,
  );
  if (verdict === 'go') return own.isGoing ? claimed : claimed.note(PROMOTING);
  if (verdict === 'wait') return waiting(`zone ${scene.peer.zone} is to be promoted too, and gives way`);
  await claimed.note('begun');
  return refused(
    'peer-is-primary',
    `zone ${scene.peer.zone} is being promoted (operation ${theirs?.operation})`,
  );
}

async function callPromote(scene: VerbScene, force: boolean): Promise<VerbEnd> {
  const { outcome, message } = await scene.local.promote(force);
  if (outcome === 'done' || outcome === 'already-primary') return promoted(scene, await scene.local.side());
  if (outcome === 'peer-not-demoted' && !force) {
    await scene.note('begun');
    return waiting('the demotion of the other zone has not arrived');
  }
  if (outcome === 'unknown') {
    await scene.note(force ? FORCED : UNENDED);
    return unknownEnd(
      `${message}: whether the promote happened is not known; it is neither ended nor repeated; 'promote --force' of a point takes a clone instead`,
    );
  }
  const after = await scene.local.side();
  return roleOf(after) === 'primary' ? promoted(scene, after) : refused(outcome, message);
}

/** The image is primary: that is put on record, with the snapshot with which it began. */
async function promoted(scene: VerbScene, { snapshots }: RbdSide): Promise<VerbEnd> {
  const list = snapshots.kind === 'answered' ? snapshots.value : [];
  const first = list.findLast(({ kind }) => kind.type === 'own' && !kind.demoted)?.id ?? null;
  return done(nowPrimary(await raised(scene, first, {})));
}

function nowPrimary({ zone, record }: VerbScene): string {
  return `zone ${zone} is primary, generation ${record.generation}`;
}

async function raised(
  scene: VerbScene,
  snapId: string | null,
  change: Partial<RbdVolumeRecord>,
): Promise<VerbScene> {
  const other = await scene.peerRecord().catch(() => null);
  const { zone, open } = scene;
  return scene.note(PROMOTED, (record) => {
    const generation = Math.max(record.generation, other?.generation ?? 0) + 1;
    const promotion = { zone, at: scene.now(), force: open.order.force, snapId, generation };
    return { ...change, generation, promotion };
  });
}

/** A clone of a whole point takes the place of the image, which is left as it is. */
async function takeOver(scene: VerbScene, point: string): Promise<VerbEnd> {
  const { record, local } = scene;
  const name = `${local.image}-${point}-g${record.generation + 1}`;
  const cloning = await scene.note('cloning');
  const made = await ensureClone(local, point, name);
  if (made !== null) return made;
  const { record: after } = await raised(cloning, null, { image: name, replaces: local.image, mode: null });
  return done(
    `${name}, a clone of point ${point}, is primary in zone ${scene.zone}, generation ${after.generation}; it is not replicated`,
    name,
  );
}

/** Null: it is there. */
export async function ensureClone(image: RbdImage, point: string, name: string): Promise<VerbEnd | null> {
  const found = await image.info(name);
  if (found.kind === 'silent') return waiting(`whether ${name} is there is not known: ${found.reason}`);
  if (found.value !== null) return null;
  const { outcome, message } = await image.clone(point, name);
  if (outcome === 'done') return null;
  return outcome === 'unknown' ? waiting(`${message}: looked at again`) : refused(outcome, message);
}

export async function demote(scene: VerbScene): Promise<VerbEnd> {
  const { local, open } = scene;
  const sight = await scene.sight();
  const role = roleOf(sight.local);
  if (role === 'unknown') return waiting(`zone ${local.zone} cannot be asked`);
  if (role === 'none') return refused('not-mirrored', 'there is no mirrored image in this zone');
  if (role === 'secondary') return done(`zone ${local.zone} is not primary`);
  if (open.step === UNENDED) return unknownEnd('a demote was begun, and has not ended');
  const lockers = await local.lockers();
  if (lockers.kind === 'silent') return waiting(`who holds the image is not known: ${lockers.reason}`);
  if (lockers.value.length > 0)
    return refused('in-use', `the image is held by ${lockers.value.join(', ')}: shut its clients down first`);
  const ready = roleOf(sight.peer) === 'primary' ? await keepHead(scene) : scene;
  if ('state' in ready) return ready;
  const demoting = await ready.note('demoting');
  const { outcome, message } = await local.demote();
  const after = roleOf(await local.side());
  if (after === 'secondary') return done(`zone ${local.zone} is primary no more`);
  if (outcome === 'unknown' || outcome === 'done') {
    await demoting.note(UNENDED);
    return unknownEnd(`${message}: whether the image was demoted is not known`);
  }
  return refused(outcome, message);
}

/** What this side wrote while the other was primary too would be gone with a resync: an image of its own keeps it. */
async function keepHead(scene: VerbScene): Promise<VerbScene | VerbEnd> {
  const { local, record } = scene;
  const snapshot = `head-g${record.generation}`;
  const name = `${local.image}-${snapshot}`;
  const keeping = await scene.note('keeping');
  const list = (await local.side()).snapshots;
  if (list.kind === 'silent') return waiting(`the snapshots cannot be listed: ${list.reason}`);
  if (!list.value.some((each) => each.name === snapshot)) {
    const { outcome, message } = await local.createSnapshot(snapshot);
    if (outcome !== 'done')
      return waiting(`the last state of zone ${local.zone} is not kept yet: ${message}`);
  }
  const missing = (await ensureClone(local, snapshot, name)) ?? (await ensureFlat(local, name));
  if (missing !== null) return missing;
  return keeping.note('kept', ({ kept }) => ({ kept: kept.includes(name) ? kept : [...kept, name] }));
}

/** Null: it has no parent. */
async function ensureFlat(image: RbdImage, name: string): Promise<VerbEnd | null> {
  const before = await image.info(name);
  if (before.kind === 'silent' || before.value === null) return waiting(`${name} cannot be looked at`);
  if (!before.value.hasParent) return null;
  const { outcome, message } = await image.flatten(name);
  if (outcome !== 'done') return waiting(`${name} is not independent yet: ${message}`);
  const after = await image.info(name);
  const isFlat = after.kind === 'answered' && after.value !== null && !after.value.hasParent;
  return isFlat ? null : waiting(`${name} is not independent yet`);
}

/** A resync whose image is absent for longer than this is told of with that. */
const ABSENT_MS = 300_000;

export async function resync(scene: VerbScene): Promise<VerbEnd> {
  const { local, open, record } = scene;
  const sight = await scene.sight();
  const { info } = sight.local;
  if (info.kind === 'silent') return waiting(`zone ${local.zone} cannot be asked: ${info.reason}`);
  if (open.step === 'begun') {
    const clones = record.clones.map(({ name }) => name);
    const decided = decideRbdResync(sight, { discard: open.order.name, clones });
    if (decided.kind === 'refuse') return refused(decided.code, decided.reason);
    const imageId = info.value?.id ?? '';
    return resync(await scene.note('flagging', ({ open: was }) => ({ open: was && { ...was, imageId } })));
  }
  const late = scene.now() - open.at > ABSENT_MS ? ', for longer than five minutes' : '';
  if (info.value === null) return waiting(`the image was deleted, and is not there again yet${late}`);
  if (info.value.id === open.imageId) {
    if (open.step === 'flagged') return waiting(`the mirror daemon has not begun${late}`);
    const { outcome, message } = await local.resync();
    if (outcome === 'done') await scene.note('flagged');
    return outcome === 'done' || outcome === 'unknown'
      ? waiting('the image is flagged: it is deleted, and copied anew')
      : refused(outcome, message);
  }
  const isWhole = info.value.mirroring?.mode === 'journal' ? replays(sight) : newestIsWhole(sight);
  return isWhole ? done('everything was copied anew') : waiting(`everything is copied anew${late}`);
}

function newestIsWhole({ local }: RbdSight): boolean {
  if (local.snapshots.kind === 'silent') return false;
  const chain = rbdChain(local.snapshots.value);
  return chain.lastComplete !== null && chain.incomplete.length === 0 && chain.orphan.length === 0;
}

function replays({ local }: RbdSight): boolean {
  const report = local.status.kind === 'answered' ? local.status.value : null;
  const isReplaying = report?.up === true && report.word === 'replaying';
  return isReplaying && journalStanding(report.members).kind === 'applied';
}

export async function detach(scene: VerbScene): Promise<VerbEnd> {
  const { local, peer, record, open } = scene;
  const sight = await scene.sight();
  const role = roleOf(sight.local);
  const size = sight.local.info.kind === 'answered' ? sight.local.info.value?.sizeBytes : undefined;
  if (role === 'none' && record.mode === null) return done('the volume is not replicated');
  if (role === 'none' && open.step === 'disabling') return detached(scene);
  if (role !== 'primary')
    return role === 'unknown'
      ? waiting(`zone ${local.zone} cannot be asked`)
      : refused('wrong-role', `a volume is detached where it is primary: a plain disable deletes the copy`);
  if (record.mode === 'instant')
    return refused('no-points', 'journal mode has no points from which an independent copy could be made');
  if (roleOf(sight.peer) !== 'secondary')
    return refused(
      'peer-unreachable',
      `zone ${peer.zone} has no copy that could be asked: it would be deleted`,
    );
  if (open.step === 'begun') {
    const point = newestPoint(record);
    const isFresh = point?.operation === open.operation;
    if (!isFresh) return waiting('a last point is taken');
    if (!point.complete) return waiting(`point ${point.name} is on its way`);
  }
  const point = record.points.find((each) => each.operation === open.operation);
  if (point === undefined) return refused('no-point', 'the last point is gone');
  const copy = `${peer.image}-detached`;
  const copying = await scene.note('copying');
  const missing = (await ensureClone(peer, point.name, copy)) ?? (await ensureFlat(peer, copy));
  if (missing !== null) return missing;
  const made = await peer.info(copy);
  if (made.kind === 'silent' || made.value?.sizeBytes !== size)
    return waiting(`${copy} is not known to be as large as the volume`);
  const disabling = await copying.note('disabling');
  const { outcome, message } = await local.disable();
  if (outcome === 'done' || outcome === 'not-mirrored') return detached(disabling);
  return outcome === 'unknown' ? waiting(`${message}: looked at again`) : refused(outcome, message);
}

async function detached(scene: VerbScene): Promise<VerbEnd> {
  const copy = `${scene.peer.image}-detached`;
  await scene.note('disabled', ({ kept }) => ({
    mode: null,
    kept: kept.includes(copy) ? kept : [...kept, copy],
  }));
  return done(`${copy} in zone ${scene.peer.zone} is independent, and no copy of anything any more`, copy);
}

export async function enable(scene: VerbScene): Promise<VerbEnd> {
  const { local, peer, open } = scene;
  const mode = open.order.mode === 'instant' ? 'journal' : 'snapshot';
  const { local: here, peer: there } = await scene.sight();
  if (here.info.kind === 'silent')
    return refused('unreachable', `zone ${local.zone} cannot be asked: ${here.info.reason}`);
  if (there.info.kind === 'silent')
    return refused('peer-unreachable', `zone ${peer.zone} cannot be asked: ${there.info.reason}`);
  const [own, other] = [here.info.value, there.info.value];
  const found = own?.mirroring ?? null;
  const setMode = (): Promise<VerbScene> =>
    scene.note('enabled', () => ({ mode: open.order.mode as NonNullable<RbdVolumeRecord['mode']> }));
  if (found !== null) {
    if (found.mode !== mode)
      return refused('mode-conflict', `the image is mirrored by ${found.mode}: detach it first`);
    if (found.state !== 'enabled') return refused('changing', `the image is in state '${found.state}'`);
    await setMode();
    return done(`zone ${local.zone} has the mirrored image`);
  }
  if (other?.mirroring != null) {
    if (own !== null)
      return refused(
        'name-taken',
        `zone ${local.zone} has an image of that name that is not the copy: rename it`,
      );
    if (other.mirroring.mode !== mode)
      return refused('mode-conflict', `zone ${peer.zone} mirrors the image by ${other.mirroring.mode}`);
    await setMode();
    return done(`zone ${local.zone} follows zone ${peer.zone}`);
  }
  if (own === null) return refused('unknown-image', `zone ${local.zone} has no image ${local.image}`);
  if (other !== null)
    return refused(
      'name-taken',
      `zone ${peer.zone} has an image of that name, which would stay unmirrored: rename it`,
    );
  const { outcome, message } = await local.enable(mode);
  if (outcome === 'unknown') return waiting(`${message}: looked at again`);
  if (outcome !== 'done') return refused(outcome, message);
  await setMode();
  return done(`zone ${local.zone} is primary`);
}
