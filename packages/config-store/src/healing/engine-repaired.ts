/** What finished repairs do: an engine is online only once every vdisk of its cluster has its blocks back. */
import type { ServerEntry } from '../cluster-storage.ts';
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type Cause, lastMovedAt, moveEngine } from './engine-move.ts';
import { incidentOf, isDecision } from './engine-place.ts';
import { ripPartner } from './engine-spread.ts';
import {
  applied,
  type EngineStatusDecision,
  type RepairsComplete,
  refused,
} from './engine-status-decision.ts';
import { type IncidentRecord, retiredEnginesMax } from './records.ts';

const missingNamedMax = 8;

export function decideRepairsComplete(
  state: ClusterState,
  input: RepairsComplete,
  nowMs: number,
): EngineStatusDecision {
  const incident = incidentOf(state, input);
  if (isDecision(incident)) return incident;
  const { shard } = incident;
  if (incident.status === 'offline') {
    const reason = `${incident.address} is offline in incident ${incident.id}: no repair is under way to complete`;
    return refused('not-under-repair', reason, shard);
  }
  const missing = [...input.vdisks].filter((vdisk) => !input.repaired.has(vdisk));
  if (missing.length > 0) {
    const named = missing.slice(0, missingNamedMax).join(', ');
    const more = missing.length > missingNamedMax ? ` and ${missing.length - missingNamedMax} more` : '';
    return refused(
      'repairs-missing',
      `attempt ${incident.attempt} of ${incident.id} still waits for ${missing.length} of ${input.vdisks.size} vdisks: ${named}${more}`,
      shard,
    );
  }
  const at = Math.max(nowMs, lastMovedAt(state, shard) ?? incident.openedAt);
  const { size } = input.vdisks;
  const what = size === 1 ? 'the one vdisk' : `all ${size} vdisks`;
  const done = `${what} of ${state.cluster} ${size === 1 ? 'is' : 'are'} repaired`;
  const cause = (reason: string): Cause => ({ reason, by: input.by, operation: input.operation, at });

  if (incident.status === 'repair-tmp-outage') {
    const why = cause(`${done}: ${incident.address} serves again`);
    const step = { state, events: [] };
    return applied(
      moveEngine(step, { shard, to: 'online', cause: why, incident, outcome: 'repaired' }),
      shard,
      why,
    );
  }
  return incident.replacement === undefined
    ? ripOut(state, incident, cause(`${done} without shard ${shard}: ${incident.address} is gone for good`))
    : replace(
        state,
        incident,
        cause(`${done}: ${incident.replacement.address} takes the place of ${incident.address}`),
      );
}

function replace(state: ClusterState, incident: IncidentRecord, cause: Cause): EngineStatusDecision {
  const { shard } = incident;
  const { replacement, ...old } = entryAt(state, shard);
  const entry: ServerEntry = { ...old, ...replacement };
  // The failures of an engine are not those of the one that takes its place.
  const { [shard]: _forgotten, ...failures } = state.record.failures ?? {};
  const record = { ...state.record, failures };
  if (entry.address !== old.address) {
    const left = { address: old.address, db: old.db, incident: incident.id, at: cause.at };
    record.retired = [...record.retired, left].slice(-retiredEnginesMax);
  }
  const step = { state: { ...state, record }, events: [] };
  return applied(
    moveEngine(step, { shard, to: 'online', cause, incident, entry, outcome: 'replaced' }),
    shard,
    cause,
  );
}

/**
 * The blocks live on the other pairs now: both members of this one go at once. The last engine never goes: placement would
 * have nowhere to look.
 */
function ripOut(state: ClusterState, incident: IncidentRecord, cause: Cause): EngineStatusDecision {
  const { shard } = incident;
  if (state.storage.servers.every(({ status }, other) => other === shard || status === 'rip')) {
    const reason = `${incident.address} is the last engine of ${state.cluster}: it cannot be given up`;
    return refused('last-engine', reason, shard);
  }
  const { partner, closed, events } = ripPartner(state.partner, incident, cause);
  const step = { state: { ...state, ...(partner === undefined ? {} : { partner }) }, events };
  const { survivor } = incident;
  const ended =
    closed === undefined || survivor === undefined
      ? incident
      : { ...incident, survivor: { ...survivor, failed: true } };
  const decision = applied(
    moveEngine(step, { shard, to: 'rip', cause, incident: ended, outcome: 'spread' }),
    shard,
    cause,
  );
  return closed === undefined ? decision : { ...decision, partnerClosed: closed };
}
