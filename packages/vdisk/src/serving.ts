import type { MemberName, PairMode } from './pair-mode.ts';

/** What the owner of a vdisk knows about one shard when it is to answer a request. */
export interface ServingView {
  /** The lease cannot have expired: nobody else can own the vdisk. */
  readonly leaseIsValid: boolean;
  readonly mode: PairMode['kind'];
  /** The members that must have every write. */
  readonly required: readonly MemberName[];
  /** Those that showed our epoch to this very request, on a link that was checked while the lease was valid. */
  readonly confirmed: readonly MemberName[];
}

export type Serving =
  | { readonly kind: 'serve'; readonly reason: string }
  | { readonly kind: 'stop'; readonly reason: string };

/**
 * Decides whether a request may be answered. While the lease is valid, always. Beyond it, only where the engines alone
 * prove that nobody else has served the shard: every member that must have every write confirms our epoch, and none of
 * them has failed.
 *
 * Why that is enough. Let R be the required members as this owner last learnt of them. Another owner serves the shard only
 * after it has raised the epoch on every engine that etcd does not record as stale. Engines leave the required ones when
 * etcd records them as stale, and join them only through a repair by an owner, or, when both are stale, as the one whose
 * outage was recorded last: so the first owner that follows us raises the epoch on at least one member of R before it
 * reads or acknowledges anything. A write of ours that all of R applied under our epoch was applied before that, and the
 * other one finds it. A read behind which all of R still had our epoch was made before the other one acknowledged anything.
 *
 * Why the links count. An engine that restarts may forget the epoch that was raised there. A link that was never down since
 * the lease was valid leads to a process that has not restarted; a new link is not used until the lease is valid again.
 *
 * Why not with a failure. A pair that lost a member is what operators correct by hand, by making the other member current
 * against what the records say. Then the survivor is no longer a member that the next owner has to raise.
 */
export function decideServing({ leaseIsValid, mode, required, confirmed }: ServingView): Serving {
  if (leaseIsValid) return { kind: 'serve', reason: 'the lease is valid' };
  if (!servesWithoutLease(mode)) {
    const reason = `the ownership is not confirmed by etcd, and a shard that is ${mode} is not served without`;
    return { kind: 'stop', reason };
  }
  const missing = required.filter((name) => !confirmed.includes(name));
  if (required.length === 0 || missing.length > 0) {
    const who = missing.length === 0 ? 'no engine' : `not by the ${missing.join(' and ')}`;
    return { kind: 'stop', reason: `the ownership is not confirmed by etcd, and ${who}` };
  }
  return { kind: 'serve', reason: `the ${required.join(' and ')} confirmed that nobody else took over` };
}

/** Whether the fence of the engines alone keeps a shard safe: both members are well, or there is one copy and it is well. */
export function servesWithoutLease(mode: PairMode['kind']): boolean {
  return mode === 'mirrored' || mode === 'single';
}
