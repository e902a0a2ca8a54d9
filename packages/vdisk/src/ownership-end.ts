/** What the holder of an owner key knows when etcd shows it that key. */
export interface OwnKeyView {
  /** Create revision of the owner key that etcd shows, null when there is none. */
  readonly seen: string | null;
  /** Create revision of our own key. */
  readonly own: string;
  /** The lease was not confirmed in time, and etcd has not said yet what became of it. */
  readonly isInDoubt: boolean;
  readonly isRetaking: boolean;
  /** What is watched may lag behind what was just written: false from the taking again until it shows that key. */
  readonly isOwnKeySeen: boolean;
}

/** Why the ownership ended, null when it goes on. */
export function decideOwnershipEnd({
  seen,
  own,
  isInDoubt,
  isRetaking,
  isOwnKeySeen,
}: OwnKeyView): string | null {
  // The key goes with the lease; what becomes of it is decided when the lease is known to be lost.
  if (isRetaking || (seen === null && isInDoubt)) return null;
  if (seen === own) return null;
  const isBehind = !isOwnKeySeen && (seen === null || BigInt(seen) < BigInt(own));
  if (isBehind) return null;
  return seen === null ? 'the owner key is gone' : `another owner has epoch ${seen}`;
}
