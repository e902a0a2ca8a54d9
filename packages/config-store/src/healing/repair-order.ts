/** What operators order about an incident: that it was seen, that its repair stops, goes on, or begins anew. */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { retire } from './engine-failure.ts';
import { type Cause, cut, moveEngine, type Step } from './engine-move.ts';
import { orderedAt } from './engine-offline.ts';
import { consistent, isDecision } from './engine-place.ts';
import { already, applied, type EngineStatusDecision, refused } from './engine-status-decision.ts';
import { rebuild } from './engine-verdict.ts';
import { holdSentence } from './held-back.ts';
import { hasNoSurvivor, withoutSpare } from './kept-spare.ts';
import { released, withAction } from './operator-action.ts';
import type { AcknowledgeIncident, CancelRepair, RetryRepair } from './operator-order.ts';
import type { Hold, IncidentRecord } from './records.ts';

export function decideAcknowledgement(
  state: ClusterState,
  order: AcknowledgeIncident,
  nowMs: number,
): EngineStatusDecision {
  const incident = ordered(state, order);
  if (isDecision(incident)) return incident;
  const { shard, hold, id } = incident;
  // The other holds are an operator's own.
  const isLetGo = hold?.kind === 'flapping' || hold?.kind === 'writes-lost';
  if (incident.acknowledged !== undefined && !isLetGo)
    return already(`${incident.acknowledged.by} acknowledged ${id} already`, incident);
  const { by, reason } = order;
  const what = isLetGo ? `, and lets ${incident.address} be judged again` : '';
  const cause = causeOf(state, shard, order, `${by} acknowledged ${id}${what}: ${reason}`, nowMs);
  const seen = withAction(isLetGo ? released(incident) : incident, 'incident.acknowledge', {
    ...cause,
    reason,
  });
  const acknowledged = { by, at: cause.at, reason: cut(reason) };
  const { [shard]: _forgotten, ...failures } = state.record.failures ?? {};
  const record = { ...state.record, failures };
  return note({ ...state, record }, { ...seen, acknowledged }, cause);
}

export function decideRepairCancel(
  state: ClusterState,
  order: CancelRepair,
  nowMs: number,
): EngineStatusDecision {
  const incident = ordered(state, order);
  if (isDecision(incident)) return incident;
  const { shard, hold, id, address, status } = incident;
  if (hold?.kind === 'cancelled')
    return already(`${hold.by} cancelled the repair of ${id} already`, incident);
  if (status === 'offline')
    return refused('no-repair', `${address} is offline in ${id}: no repair is under way`, shard);
  if (incident.repairKind === 'spread') return keepsSpreading(incident);
  const { replacement: spare } = incident;
  if (spare !== undefined && hasNoSurvivor(state, shard)) {
    const what = `the rebuild of ${address} on ${spare.address} cannot be cancelled while its partner is not online: that spare may have writes that no other engine has`;
    return refused('last-member', `${what}; bring the partner back first`, shard);
  }
  const { by, reason, operation } = order;
  const cause = causeOf(state, shard, order, `${by} cancelled the repair of ${address}: ${reason}`, nowMs);
  const verdict = status === 'repair-final-outage' ? 'permanent' : 'temporary';
  const cancelled: Hold = { kind: 'cancelled', by, at: cause.at, reason: cut(reason), operation, verdict };
  const { verdict: _verdict, repairKind: _kind, waitsFor: _waits, ...rest } = withoutSpare(incident);
  const { replacement: _replacement, ...entry } = entryAt(state, shard);
  // A spare that is half filled cannot be given to anybody else.
  const left = spare === undefined ? state : retire(state, spare, id, cause.at);
  const stopped = { ...rest, attempt: rest.attempt + 1, hold: cancelled };
  const noted = withAction(stopped, 'repair.cancel', { ...cause, reason });
  const step = { state: left, events: [] };
  return applied(moveEngine(step, { shard, to: 'offline', cause, incident: noted, entry }), shard, cause);
}

export function decideRepairRetry(
  state: ClusterState,
  order: RetryRepair,
  nowMs: number,
): EngineStatusDecision {
  const incident = ordered(state, order);
  if (isDecision(incident)) return incident;
  const { shard, hold, id, address, status } = incident;
  const { by, reason, vdisk } = order;
  if (status === 'offline') {
    if (hold?.kind !== 'cancelled') {
      const waits =
        incident.verdict?.verdict === 'permanent' ? 'it waits for a spare' : 'it waits for a verdict';
      const why = hold === undefined ? waits : holdSentence(incident, hold);
      return refused('no-repair', `no repair of ${address} is under way in ${id}: ${why}`, shard);
    }
    const cause = causeOf(state, shard, order, `${by} resumed the repair of ${address}: ${reason}`, nowMs);
    const noted = withAction(released(incident), 'repair.resume', { ...cause, reason });
    return judgedAgain({ state, events: [] }, noted, hold.verdict ?? 'temporary', cause);
  }
  if (order.resumes === true) return already(`the repair of ${address} is under way in ${id}`, incident);
  if (vdisk !== undefined) {
    if (order.repaired.has(vdisk))
      return already(`${vdisk} is repaired in attempt ${incident.attempt} of ${id}`, incident);
    const why = `${by} had the repair of vdisk ${vdisk} tried again: ${reason}`;
    const cause = causeOf(state, shard, order, why, nowMs);
    return note(state, withAction(incident, 'repair.retry', cause), cause);
  }
  if (incident.repairKind === 'spread') return keepsSpreading(incident);
  const cause = causeOf(state, shard, order, `${by} began the repair of ${address} anew: ${reason}`, nowMs);
  const noted = withAction({ ...incident, attempt: incident.attempt + 1 }, 'repair.retry', {
    ...cause,
    reason,
  });
  const offline = moveEngine({ state, events: [] }, { shard, to: 'offline', cause, incident: noted });
  const again = offline.state.incidents.get(shard) ?? noted;
  // The same spare goes on: what it has got already is found to be there.
  return applied(moveEngine(offline, { shard, to: status, cause, incident: again }), shard, cause);
}

/** Blocks that have moved already are nowhere else: there is no way back to the pair. */
function keepsSpreading({ address, shard }: IncidentRecord): EngineStatusDecision {
  const reason = `the blocks of ${address} are being spread over the other pairs, which goes on to its end; 'salvor healing pause' makes it wait`;
  return refused('under-rebuild', reason, shard);
}

function judgedAgain(
  step: Step,
  incident: IncidentRecord,
  verdict: 'temporary' | 'permanent',
  cause: Cause,
): EngineStatusDecision {
  const { shard } = incident;
  const { by, at, reason } = cause;
  const judged = {
    ...incident,
    verdict: { verdict, reason: cut(reason), evidence: [], by, at, operator: true },
  };
  if (verdict === 'permanent') return rebuild(step, judged, undefined, cause);
  return applied(moveEngine(step, { shard, to: 'repair-tmp-outage', cause, incident: judged }), shard, cause);
}

/** The incident that an order is about, or the answer to an order that cannot be, or has been, followed. */
function ordered(
  state: ClusterState,
  { incident: id, operation }: { readonly incident: string; readonly operation: string },
): IncidentRecord | EngineStatusDecision {
  const incident = [...state.incidents.values()].find((open) => open.id === id);
  if (incident === undefined)
    return refused('incident-not-open', `incident ${id} is not open in ${state.cluster}`);
  const before = incident.actions?.find((action) => action.operation === operation);
  if (before !== undefined) return already(`done before: ${before.reason}`, incident);
  return consistent(state, incident);
}

function causeOf(
  state: ClusterState,
  shard: number,
  { by, operation }: { readonly by: string; readonly operation: string },
  reason: string,
  nowMs: number,
): Cause {
  return { reason, by, operation, at: orderedAt(state, shard, nowMs) };
}

/** Written into the incident; the engine stays where it is. */
function note(state: ClusterState, incident: IncidentRecord, cause: Cause): EngineStatusDecision {
  const incidents = new Map(state.incidents).set(incident.shard, incident);
  return applied({ state: { ...state, incidents }, events: [] }, incident.shard, cause, 'noted');
}
