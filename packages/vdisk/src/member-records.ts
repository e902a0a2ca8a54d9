import {
  attemptBegunIn,
  type ClusterStorage,
  engineInPlace,
  type IncidentRecord,
  type ServerEntry,
} from '@salvor/config-store';
import type { MemberRecord, RepairDue, SpreadDue, Staleness } from './pair-context.ts';

/** What etcd says about one cluster of a vdisk. */
export interface ClusterView {
  readonly cluster: string;
  readonly role: 'primary' | 'slave';
  readonly storage: ClusterStorage;
  /** Open incidents by shard. */
  readonly incidents: ReadonlyMap<number, OpenIncident>;
  /** Repairs of this vdisk that are on record as complete, as `incident/attempt`, whichever attempt of an open incident. */
  readonly completed: ReadonlySet<string>;
  /** Why nothing is repaired now, as a sentence. */
  readonly paused?: string;
}

export interface OpenIncident {
  readonly record: IncidentRecord;
  /** Revisions of etcd at which it was opened and last changed. */
  readonly openedIn: number;
  readonly changedIn: number;
}

/** The records of every shard of a cluster, as the owner of one vdisk needs them. */
export function memberRecords(view: ClusterView): MemberRecord[] {
  return view.storage.servers.map((entry, shard) => memberRecord(view, shard, entry));
}

function memberRecord(view: ClusterView, shard: number, entry: ServerEntry): MemberRecord {
  const repair = repairDue(view, shard, entry);
  const engine = engineInPlace(entry);
  return {
    identity: { cluster: view.cluster, role: view.role, shard, generation: engine.generation },
    address: engine.address,
    db: engine.db,
    status: entry.status,
    repair,
    isSpread: isSpread(entry),
    spread: spreadDue(view, shard, entry),
    stale: staleness(view, shard, entry),
    ...(entry.acceptedLoss === undefined ? {} : { isLossAccepted: true }),
  };
}

/**
 * The order of outages is told by etcd's revisions, never by the clocks of those who recorded them. An engine that fails again
 * during its repair became stale anew only if an earlier attempt had brought back this vdisk. Where the revision of that is not
 * known any more, it was at some time until the last change of the incident.
 */
function staleness(view: ClusterView, shard: number, entry: ServerEntry): Staleness | null {
  const incident = entry.status === 'online' ? undefined : view.incidents.get(shard);
  if (incident === undefined) return null;
  const known = staleBy(view, incident);
  // The cluster and the incident change in one transaction but may be seen one after the other: what was not seen yet may be
  // that the engine failed anew, later than anything that is known.
  return incident.record.status === entry.status ? known : { ...known, latest: Number.MAX_SAFE_INTEGER };
}

function staleBy(view: ClusterView, { record, openedIn, changedIn }: OpenIncident): Staleness {
  const stale: Staleness = { since: openedIn, latest: openedIn };
  for (let attempt = record.attempt; attempt > 1; attempt--) {
    if (!view.completed.has(`${record.id}/${attempt - 1}`)) continue;
    const begunIn = attemptBegunIn(record, attempt, changedIn);
    return begunIn === undefined ? { ...stale, latest: changedIn } : { since: begunIn, latest: begunIn };
  }
  return stale;
}

function repairDue(view: ClusterView, shard: number, entry: ServerEntry): RepairDue | null {
  const { status } = entry;
  if (status !== 'repair-tmp-outage' && status !== 'repair-final-outage') return null;
  if (status === 'repair-final-outage' && entry.replacement === undefined) return null;
  const incident = view.incidents.get(shard)?.record;
  // The cluster and the incident change in one transaction but may be seen one after the other.
  if (incident === undefined || incident.status !== status) return null;
  // What is on record of one spare says nothing of the next one.
  if (incident.replacement?.address !== entry.replacement?.address) return null;
  const { id, attempt, spareSince } = incident;
  const completed = view.completed.has(`${id}/${attempt}`);
  return {
    ...{ incident: id, attempt, kind: status, completed },
    ...(status === 'repair-final-outage' && spareSince !== undefined ? { spareSince } : {}),
    ...(wasRebuilt(view, incident) ? { wasRebuilt: true } : {}),
    ...(view.paused === undefined ? {} : { paused: view.paused }),
  };
}

/** Whether the spare had every block of the vdisk in an earlier attempt, before it failed. */
function wasRebuilt({ completed }: ClusterView, { id, attempt, spareSince }: IncidentRecord): boolean {
  for (let earlier = spareSince ?? attempt; earlier < attempt; earlier++)
    if (completed.has(`${id}/${earlier}`)) return true;
  return false;
}

function isSpread({ status, replacement }: ServerEntry): boolean {
  return status === 'rip' || (status === 'repair-final-outage' && replacement === undefined);
}

function spreadDue(view: ClusterView, shard: number, entry: ServerEntry): SpreadDue | null {
  if (entry.status === 'rip' || !isSpread(entry)) return null;
  const incident = view.incidents.get(shard)?.record;
  // As above; and what another tool calls respread is nothing that this owner was asked to do.
  if (incident?.repairKind !== 'spread' || incident.status !== entry.status) return null;
  const { id, attempt } = incident;
  return {
    cluster: view.cluster,
    address: entry.address,
    incident: id,
    attempt,
    completed: view.completed.has(`${id}/${attempt}`),
    ...(view.paused === undefined ? {} : { paused: view.paused }),
  };
}
