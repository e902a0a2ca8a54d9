/** Whether what etcd holds is the configuration to be kept in Tier-2. Pure. */

/** What Tier-2 has of it. */
export interface KeptBefore {
  /** Revision of the newest snapshot, decimal. */
  readonly revision: string;
  /** Its value of the installation; null: it is of a time when that was not kept. */
  readonly installation: string | null;
}

export interface EtcdNow {
  readonly revision: string;
  readonly installation: string | null;
  /** Tier-1 is being brought back. */
  readonly isRecovering: boolean;
}

/** `name`: it is kept as soon as the installation has a name. `reason` is a sentence. */
export type Keeping = { readonly kind: 'keep' | 'name' | 'wait'; readonly reason: string };

/**
 * An etcd that was lost and made anew is empty, or has other contents under the same keys: its configuration must never take the
 * place of the one that everything can be brought back from. Nor may that of an etcd which went back in time: snapshots are ordered by
 * revision, and its own would lose against those of its lost future.
 */
export function decideKeeping(now: EtcdNow, before: KeptBefore | null): Keeping {
  if (now.isRecovering) return { kind: 'wait', reason: 'Tier-1 is being brought back from Tier-2' };
  if (before === null)
    return now.installation === null
      ? { kind: 'name', reason: 'Tier-2 has no configuration yet' }
      : { kind: 'keep', reason: 'Tier-2 has no configuration yet' };
  if (before.installation === null && BigInt(now.revision) >= BigInt(before.revision))
    return now.installation === null
      ? { kind: 'name', reason: 'the installation has no name yet' }
      : { kind: 'keep', reason: 'Tier-2 does not know the name of the installation yet' };
  if (before.installation !== null && before.installation === now.installation) {
    if (BigInt(now.revision) >= BigInt(before.revision))
      return { kind: 'keep', reason: 'it is of the same installation' };
    return {
      kind: 'wait',
      reason: `Tier-2 has the configuration of this installation as of revision ${before.revision}, and etcd is at revision ${now.revision}: it went back in time, as one does that was restored from a backup. What it has is kept nowhere until 'salvor dr recover' has compared the two and raised its revision`,
    };
  }
  const found = now.installation === null ? 'this etcd has no name' : 'this etcd is of another one';
  return {
    kind: 'wait',
    reason: `Tier-2 has the configuration of an installation as of revision ${before.revision}, and ${found}, at revision ${now.revision}: if etcd was lost, bring it back with 'salvor dr recover'; a new installation needs a store of its own`,
  };
}
