import type { EngineStatus } from '@salvor/config-store';

/** What the owner of a vdisk knows of one member of a pair when it decides how to serve. */
export interface MemberView {
  /** What etcd records. */
  readonly status: EngineStatus;
  /** The owner finished the repair that etcd still shows as running: from then on every write needs this member. */
  readonly repaired: boolean;
  /** That repair is not on record yet: an owner that follows would take this member for stale. */
  readonly unrecorded?: boolean;
  /** The owner has prepared this member for its repair: it takes every new write, and lacks only dirty blocks. */
  readonly prepared: boolean;
  /** The owner could not use it, and has said so. */
  readonly failed: boolean;
}

export type MemberName = 'primary' | 'slave';

/** How a pair serves now. `reason` is the sentence that operators read. */
export type PairMode =
  | { readonly kind: 'mirrored'; readonly reason: string }
  | { readonly kind: 'single'; readonly on: MemberName; readonly reason: string }
  | { readonly kind: 'alone'; readonly on: MemberName; readonly reason: string }
  | {
      readonly kind: 'repairing';
      readonly from: MemberName;
      readonly to: MemberName;
      readonly reason: string;
    }
  | {
      readonly kind: 'holding';
      readonly on: MemberName;
      readonly failed: MemberName;
      readonly reason: string;
    }
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** Given up: its blocks are on the other pairs. */
  | { readonly kind: 'rip'; readonly reason: string };

/**
 * Decides how a pair serves: fence before ack. A member that etcd does not record as stale must take every write, so when
 * such a member fails, writes are held until etcd records it.
 */
export function decidePairMode(primary: MemberView, slave: MemberView | null): PairMode {
  const members: { name: MemberName; view: MemberView }[] = [{ name: 'primary', view: primary }];
  if (slave !== null) members.push({ name: 'slave', view: slave });
  if (members.every(({ view }) => view.status === 'rip'))
    return { kind: 'rip', reason: 'it is gone for good; its blocks are on the other pairs' };
  const required = members.filter(({ view }) => isRequired(view));
  const live = required.filter(({ view }) => !view.failed);
  const [first] = live;
  if (first === undefined) return { kind: 'unavailable', reason: whyUnavailable(members, required.length) };
  const failed = required.find(({ view }) => view.failed);
  if (failed !== undefined) {
    const reason = `the ${failed.name} failed and etcd does not record it as stale yet; reads come from the ${first.name}, writes wait`;
    return { kind: 'holding', on: first.name, failed: failed.name, reason };
  }
  if (live.length === 2)
    return { kind: 'mirrored', reason: 'both members are online; every write goes to both' };
  const other = members.find(({ name }) => name !== first.name);
  if (other === undefined)
    return { kind: 'single', on: first.name, reason: 'there is no slave cluster: one copy' };
  if (first.view.unrecorded === true) {
    const reason = `the ${other.name} is ${other.view.status} and the repair of the ${first.name} is not on record yet; reads come from the ${first.name}, writes wait`;
    return { kind: 'holding', on: first.name, failed: other.name, reason };
  }
  if (isUnderRepair(other.view) && other.view.prepared && !other.view.failed) {
    const reason = `the ${other.name} is being repaired from the ${first.name}; writes go to both`;
    return { kind: 'repairing', from: first.name, to: other.name, reason };
  }
  const reason = `the ${other.name} is ${other.view.status}; the ${first.name} serves alone and marks what it writes`;
  return { kind: 'alone', on: first.name, reason };
}

/** A write needs this member before it may be acknowledged. */
export function isRequired(view: MemberView): boolean {
  return view.status === 'online' || (isUnderRepair(view) && view.repaired);
}

export function isUnderRepair(view: { readonly status: EngineStatus }): boolean {
  return view.status === 'repair-tmp-outage' || view.status === 'repair-final-outage';
}

function whyUnavailable(
  members: readonly { name: MemberName; view: MemberView }[],
  required: number,
): string {
  const what = members
    .map(({ name, view }) => `${name} ${view.status}${view.failed ? ' and failing' : ''}`)
    .join(', ');
  return required === 0
    ? `no member holds current data: ${what}`
    : `no member that holds current data answers: ${what}`;
}
