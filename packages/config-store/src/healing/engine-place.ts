/** Where an engine's address stands in a cluster, and the incident an input speaks of. */
import type { ClusterStorage, ServerEntry } from '../cluster-storage.ts';
import { type ClusterState, disagreement } from './cluster-state.ts';
import { type EngineStatusDecision, refused } from './engine-status-decision.ts';
import type { IncidentRecord } from './records.ts';

export interface EnginePlace {
  readonly shard: number;
  readonly entry: ServerEntry;
  /** Whether the address is the shard's own engine or the spare being rebuilt for it. */
  readonly as: 'engine' | 'replacement';
}

/** Where `address` serves or is rebuilt. Of several shards with one address, one that is not yet down. */
export function placeOf(state: ClusterState, address: string): EnginePlace | undefined {
  const places = [...state.storage.servers.entries()].flatMap(([shard, entry]): EnginePlace[] => {
    if (entry.replacement?.address === address) return [{ shard, entry, as: 'replacement' }];
    return entry.address === address ? [{ shard, entry, as: 'engine' }] : [];
  });
  return places.toSorted((a, b) => urgency(a) - urgency(b))[0];
}

/** The shards that have `address` as their engine or as the spare being rebuilt. */
export function shardsWith(storage: ClusterStorage, address: string): number[] {
  return [...storage.servers.entries()]
    .filter(([, entry]) => entry.address === address || entry.replacement?.address === address)
    .map(([shard]) => shard);
}

/** Why a cluster has no engine to move for `address`. */
export function refuseAddress(state: ClusterState, address: string): EngineStatusDecision {
  const { cluster, record } = state;
  if (record.spares.some((spare) => spare.address === address)) {
    return refused('idle-spare', `${address} is an idle spare of ${cluster}: it has no status to change`);
  }
  const retired = record.retired.find((engine) => engine.address === address);
  if (retired !== undefined) {
    return refused('retired', `${address} left ${cluster} in incident ${retired.incident}`);
  }
  return refused('unknown-address', `${address} is no engine of ${cluster}`);
}

/** The open incident that an input names, or why there is none to act on. */
export function incidentOf(
  state: ClusterState,
  named: { readonly incident: string; readonly attempt: number },
): IncidentRecord | EngineStatusDecision {
  const incident = [...state.incidents.values()].find(({ id }) => id === named.incident);
  if (incident === undefined) {
    return refused('incident-not-open', `incident ${named.incident} is not open in ${state.cluster}`);
  }
  const { shard, attempt } = incident;
  if (named.attempt < attempt) {
    const reason = `this is about attempt ${named.attempt} of ${incident.id}; ${incident.address} failed again since, attempt ${attempt} is open`;
    return refused('stale-attempt', reason, shard);
  }
  if (named.attempt > attempt) {
    const reason = `incident ${incident.id} has had ${attempt} attempts, there is no attempt ${named.attempt}`;
    return refused('unknown-attempt', reason, shard);
  }
  return consistent(state, incident);
}

/** The incident, or a refusal when the configuration does not agree with it. */
export function consistent(
  state: ClusterState,
  incident: IncidentRecord,
): IncidentRecord | EngineStatusDecision {
  const difference = disagreement(state, incident.shard);
  if (difference === undefined) return incident;
  const advice =
    'another tool changed the configuration: report the failure again, or restore the configuration';
  return refused('state-disagrees', `${difference}; ${advice}`, incident.shard);
}

export function isDecision(value: IncidentRecord | EngineStatusDecision): value is EngineStatusDecision {
  return 'effects' in value;
}

function urgency({ entry, as }: EnginePlace): number {
  switch (entry.status) {
    case 'online':
    case 'repair-tmp-outage':
      return 0;
    case 'repair-final-outage':
      return as === 'replacement' ? 0 : 1;
    case 'offline':
      return 1;
    case 'rip':
      return 2;
  }
}
