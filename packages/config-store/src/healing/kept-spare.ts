/**
 * A spare that fails in the middle of its rebuild. Vdisks whose rebuild was on record may have written to it alone while its
 * partner was down: then no other engine has their newest writes, and it is waited for like any engine that served last.
 */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type Cause, moveEngine, retireEngine, type Step } from './engine-move.ts';
import type { EngineRef, IncidentRecord } from './records.ts';

/** Whether the pair of a shard has no member that serves: what one of its engines has, no other one may have. */
export function hasNoSurvivor(state: ClusterState, shard: number): boolean {
  const other = state.partner?.storage.servers[shard];
  return other !== undefined && other.status !== 'online';
}

/** Whether the spare under rebuild stays when it fails now. A partner that is online has every write: then it goes. */
export function isSpareNeeded(state: ClusterState, shard: number): boolean {
  const { replacement } = entryAt(state, shard);
  const known = state.incidents.get(shard)?.replacement;
  return replacement !== undefined && known?.address === replacement.address && hasNoSurvivor(state, shard);
}

/** The spare that is waited for, undefined when there is none. */
export function keptSpare({ status, replacement }: IncidentRecord): EngineRef | undefined {
  return status === 'offline' ? replacement : undefined;
}

/** The rebuild goes on, on the same spare. What it had is still there: what is on record of earlier attempts tells what. */
export function resumeRebuild(step: Step, incident: IncidentRecord, cause: Cause): Step {
  const { shard } = incident;
  const { waitsFor: _waits, ...resumed } = incident;
  return moveEngine(step, {
    ...{ shard, to: 'repair-final-outage', cause },
    incident: { ...resumed, repairKind: 'spare' },
  });
}

/** Nobody waits for the spare any more, if one was kept: it leaves the cluster. */
export function dropKeptSpare(
  state: ClusterState,
  incident: IncidentRecord,
  at: number,
): { readonly state: ClusterState; readonly incident: IncidentRecord } {
  const spare = keptSpare(incident);
  if (spare === undefined) return { state, incident };
  const { shard, id } = incident;
  const { replacement: _entrys, ...entry } = entryAt(state, shard);
  const rest = withoutSpare(incident);
  return {
    state: {
      ...state,
      storage: { ...state.storage, servers: state.storage.servers.with(shard, entry) },
      record: retireEngine(state.record, spare, id, at),
      incidents: new Map(state.incidents).set(shard, rest),
    },
    incident: rest,
  };
}

export function withoutSpare(incident: IncidentRecord): IncidentRecord {
  const { replacement: _replacement, spareSince: _since, ...rest } = incident;
  return rest;
}
