/** Which member of a pair has every acknowledged write, when neither of them is online. */
import type { ClusterState, RecordedAt } from './cluster-state.ts';
import type { IncidentRecord } from './records.ts';

/**
 * `openedIn` of an outage that was found in a recovery of Tier-1, by what engines tell: it counts as older than every other one.
 * etcd's first revision, in which it holds nothing.
 */
export const OPENED_BEFORE_ALL = 1;

/**
 * Whether the engine of a shard served when its partner no longer did. Writes are acknowledged without a member only after
 * etcd has recorded that one as stale, so the member whose outage was recorded last has everything. Repairs that failed in
 * between leave it `unclear`: then the owner of each vdisk tells, which knows what was repaired.
 */
export function servedLast(state: ClusterState, shard: number): 'yes' | 'no' | 'unclear' {
  const { incidents, recorded, partner } = state;
  const own = outageOf(incidents.get(shard), recorded?.get(shard));
  const other = outageOf(partner?.incidents?.get(shard), partner?.recorded?.get(shard));
  // Nobody knows since when it misses writes: it may not vouch, for itself least of all.
  if (own !== undefined && own.since <= OPENED_BEFORE_ALL) return 'no';
  if (own === undefined || other === undefined) return 'unclear';
  if (other.latest <= own.since) return 'yes';
  return own.latest <= other.since ? 'no' : 'unclear';
}

function outageOf(
  incident: IncidentRecord | undefined,
  recorded: RecordedAt | undefined,
): { since: number; latest: number } | undefined {
  if (incident === undefined || recorded === undefined) return undefined;
  const { openedIn, changedIn } = recorded;
  return { since: openedIn, latest: incident.attempt === 1 ? openedIn : changedIn };
}
