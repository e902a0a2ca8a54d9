/** Everything a decision about a cluster's engines looks at, and the rules it obeys before and after. */
import { type ClusterStorage, type ServerEntry, stateOfStatus } from '../cluster-storage.ts';
import { assertRule } from './invariant.ts';
import type { HealingControls, IncidentRecord, SalvorClusterRecord } from './records.ts';
import { isIncidentStatus } from './status-words.ts';

export interface ClusterState {
  readonly cluster: string;
  /** Revision (etcd's mod revision) of the cluster's configuration, where the state came from a store. */
  readonly revision?: string;
  readonly storage: ClusterStorage;
  readonly record: SalvorClusterRecord;
  /** Open incidents by shard. */
  readonly incidents: ReadonlyMap<number, IncidentRecord>;
  /** When etcd recorded each open incident; without it nothing tells which of two engines served last. */
  readonly recorded?: ReadonlyMap<number, RecordedAt>;
  readonly partner?: PartnerState;
  /** What operators hold back. */
  readonly controls?: { readonly everywhere?: HealingControls; readonly cluster?: HealingControls };
}

/** Revisions of etcd: they tell the order of outages, which clocks do not. */
export interface RecordedAt {
  readonly openedIn: number;
  readonly changedIn: number;
}

/** The other side of the pairs. Without a record it is a cluster that Salvor has never touched. */
export interface PartnerState {
  readonly cluster: string;
  readonly storage: ClusterStorage;
  readonly record?: SalvorClusterRecord;
  /** Open incidents of the shards that are decided on, and when etcd recorded them. */
  readonly incidents?: ReadonlyMap<number, IncidentRecord>;
  readonly recorded?: ReadonlyMap<number, RecordedAt>;
}

/** @throws InvariantError when a status and a state disagree, or a shard number is out of range. */
export function assertClusterState(state: ClusterState): void {
  for (const [shard, entry] of state.storage.servers.entries()) {
    assertRule(
      stateOfStatus[entry.status] === entry.state,
      `shard ${shard} of ${state.cluster}: status ${entry.status} goes with state ${stateOfStatus[entry.status]}, found ${entry.state}`,
    );
  }
  for (const [shard, incident] of state.incidents) {
    assertRule(
      incident.shard === shard && incident.cluster === state.cluster && shard < state.storage.servers.length,
      `incident ${incident.id} belongs to shard ${incident.shard} of ${incident.cluster}, found at shard ${shard} of ${state.cluster}`,
    );
  }
}

/**
 * Why the incident of a shard and the engine's entry do not tell the same story, or undefined when they do.
 * They are written together, so a difference means that a tool other than Salvor wrote the configuration.
 */
export function disagreement(state: ClusterState, shard: number): string | undefined {
  const entry = entryAt(state, shard);
  const incident = state.incidents.get(shard);
  if (incident === undefined) {
    if (!isIncidentStatus(entry.status)) return undefined;
    return `shard ${shard} of ${state.cluster} is ${entry.status} without an incident`;
  }
  if (incident.status !== entry.status) {
    return `incident ${incident.id} says ${incident.status}, the configuration of ${state.cluster} says ${entry.status} for shard ${shard}`;
  }
  if (incident.replacement?.address !== entry.replacement?.address) {
    return `incident ${incident.id} names the spare ${incident.replacement?.address ?? 'none'}, the configuration of ${state.cluster} names ${entry.replacement?.address ?? 'none'}`;
  }
  return undefined;
}

/** @throws InvariantError for a shard that the cluster does not have. */
export function entryAt(state: ClusterState, shard: number): ServerEntry {
  const entry = state.storage.servers[shard];
  assertRule(entry !== undefined, `cluster ${state.cluster} has no shard ${shard}`);
  return entry;
}
