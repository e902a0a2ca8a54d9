import type { WriteHead } from './write-history.ts';

/** What the owner of a shard knows of its write history: the last batch on every required member, and the highest sent. */
export interface KnownHistory {
  /** False until this owner has seen a member with current data. */
  readonly isKnown: boolean;
  readonly seq: number;
  readonly sent: number;
}

export type HistoryFit = 'fits' | 'lost-writes' | 'foreign-writes';

/** Whether a member that must have every write may be at batch `found`: nothing acknowledged may be missing. */
export function decideHistoryFit(known: KnownHistory, found: number): HistoryFit {
  // During the mount the members are judged against each other.
  if (!known.isKnown || (found >= known.seq && found <= known.sent)) return 'fits';
  return found < known.seq ? 'lost-writes' : 'foreign-writes';
}

/** What a new owner finds on a member of a pair that etcd records as current. */
export interface FoundHistory {
  readonly head: Pick<WriteHead, 'seq' | 'fork' | 'ringFloor'>;
  /** Whether its dirty map marks any block. */
  readonly isMarked: boolean;
  /** Whether a repair of it was prepared and has not ended. */
  readonly isUnderCopy: boolean;
}

export type Levelling =
  | { readonly kind: 'level' }
  /** The other member misses writes that `survivor` took alone. */
  | { readonly kind: 'left-alone'; readonly survivor: 0 | 1 }
  /** An owner died in the middle of a batch: `from` is that batch ahead, and its ring tells which blocks it touched. */
  | { readonly kind: 'copy-last-batch'; readonly from: 0 | 1 }
  /** `behind` lost its last writes. */
  | { readonly kind: 'tail-lost'; readonly behind: 0 | 1; readonly lead: number };

/** How two members that etcd records as current are brought to the same batch before anything is served. */
export function decideLevelling(a: FoundHistory, b: FoundHistory): Levelling {
  const lead = Math.abs(a.head.seq - b.head.seq);
  for (const [survivor, member, partner] of [
    [0, a, b],
    [1, b, a],
  ] as const) {
    if (!wasLeftAlone(member)) continue;
    // A partner that has gone on since was repaired since: what looks left alone has lost everything from then on.
    return partner.head.seq > member.head.seq && !partner.isUnderCopy
      ? { kind: 'tail-lost', behind: survivor, lead }
      : { kind: 'left-alone', survivor };
  }
  if (lead === 0) return { kind: 'level' };
  const from = a.head.seq > b.head.seq ? 0 : 1;
  const { head } = from === 0 ? a : b;
  if (lead === 1 && head.seq > head.ringFloor) return { kind: 'copy-last-batch', from };
  return { kind: 'tail-lost', behind: from === 0 ? 1 : 0, lead };
}

/**
 * Whether the one member that a new owner has to go by lost its last writes, as its partner tells, although that one is
 * stale: it may have one batch more, which no owner finished, but no two. `stalePartner` is null when it does not answer.
 */
export function decideTailMissing(found: number, stalePartner: number | null): boolean {
  return stalePartner !== null && stalePartner - found > 1;
}

function wasLeftAlone({ head, isMarked }: FoundHistory): boolean {
  return head.fork !== null || isMarked;
}

/** A required member as its owner last heard of it. */
export interface RequiredMember {
  readonly fork: number | null;
  /** Number of its last batch, null while no link to it is open. */
  readonly seq: number | null;
  readonly failed: boolean;
}

/**
 * The place of a required member that lacks what its partner took alone since, or null. Whatever brought that about, it may
 * not be read, and no write may count it in, before it is repaired.
 */
export function decideLeftBehind(required: readonly RequiredMember[]): number | null {
  const isBehind = (member: RequiredMember, other: RequiredMember): boolean =>
    other.fork !== null && (member.seq === null || member.seq <= (other.seq ?? member.seq));
  const place = required.findIndex(
    (member) => !member.failed && required.some((other) => other !== member && isBehind(member, other)),
  );
  return place < 0 ? null : place;
}
