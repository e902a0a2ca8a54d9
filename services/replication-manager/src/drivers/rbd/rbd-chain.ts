/** What a list of snapshots says about one side of a mirrored image. Pure. */
import { compareIds, type RbdSnapshot } from './rbd-answers.ts';

export interface RbdChain {
  /** By its newest mirror snapshot; `none`: it has none, as in journal mode. */
  readonly role: 'primary' | 'secondary' | 'demoted' | 'none';
  /** Newest copy that is whole, by its id here; null: none. */
  readonly lastComplete: string | null;
  /** Copies that are not whole. */
  readonly incomplete: readonly string[];
  /** Left by a forced promote. */
  readonly orphan: readonly string[];
  /** The newest copy is that of a demoted primary, and whole. */
  readonly demotedArrived: boolean;
  /** A forced promote would find nothing unfinished. */
  readonly forcePromoteSafe: boolean;
  /** Own snapshots that the other side still needs; the newest always is one. */
  readonly withPeer: readonly string[];
  /** Snapshots of users whose content is all here, by name, oldest first. */
  readonly validUserSnapshots: readonly string[];
  readonly invalidUserSnapshots: readonly string[];
}

/** @param snapshots oldest first */
export function rbdChain(snapshots: readonly RbdSnapshot[]): RbdChain {
  const mirror = snapshots.filter(({ kind }) => kind.type !== 'user' && kind.type !== 'other');
  const newest = mirror.at(-1)?.kind;
  const copies = snapshots.flatMap(({ id, kind }) => (kind.type === 'copy' ? [{ id, kind }] : []));
  const lastComplete = copies.findLast(({ kind }) => kind.complete)?.id ?? null;
  const incomplete = copies.filter(({ kind }) => !kind.complete).map(({ id }) => id);
  const orphan = mirror.filter(({ kind }) => kind.type === 'orphan').map(({ id }) => id);
  const newestCopy = copies.at(-1)?.kind;
  // What is older than a whole mirror snapshot was whole when that one was.
  const wholeUpTo = snapshots.findLast(
    ({ kind }) => (kind.type === 'copy' || kind.type === 'own') && kind.complete,
  )?.id;
  const users = snapshots.filter(({ kind }) => kind.type === 'user');
  const isOwner = newest?.type === 'own';
  const isValid = ({ id }: RbdSnapshot): boolean =>
    isOwner || (wholeUpTo !== undefined && compareIds(id, wholeUpTo) < 0);
  return {
    role: newest === undefined ? 'none' : !isOwner ? 'secondary' : newest.demoted ? 'demoted' : 'primary',
    lastComplete,
    incomplete,
    orphan,
    demotedArrived: !isOwner && newestCopy?.demoted === true && newestCopy.complete && orphan.length === 0,
    forcePromoteSafe:
      newest !== undefined &&
      incomplete.length === 0 &&
      orphan.length === 0 &&
      (isOwner || lastComplete !== null),
    withPeer: snapshots.flatMap(({ id, kind }) => (kind.type === 'own' && kind.withPeer ? [id] : [])),
    validUserSnapshots: users.filter(isValid).map(({ name }) => name),
    invalidUserSnapshots: users.filter((each) => !isValid(each)).map(({ name }) => name),
  };
}

/** Whether `snapshots`, of the copying side, hold all of snapshot `primarySnapId` of the primary with that mirror uuid. */
export function hasReached(
  snapshots: readonly RbdSnapshot[],
  { mirrorUuid, snapId }: { readonly mirrorUuid: string; readonly snapId: string },
): boolean {
  return snapshots.some(
    ({ kind }) =>
      kind.type === 'copy' &&
      kind.complete &&
      kind.primaryMirrorUuid === mirrorUuid &&
      compareIds(kind.primarySnapId, snapId) >= 0,
  );
}
