/** What the order to bring an engine back does: as it is, through a repair, or with a loss that somebody accepts. */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type Cause, cut, moveEngine, type Step } from './engine-move.ts';
import { orderedAt } from './engine-offline.ts';
import { consistent, isDecision, placeOf, refuseAddress } from './engine-place.ts';
import { already, applied, type EngineStatusDecision, refused } from './engine-status-decision.ts';
import { dropKeptSpare, hasNoSurvivor, keptSpare, resumeRebuild } from './kept-spare.ts';
import { released, withAction } from './operator-action.ts';
import type { BringOnline } from './operator-order.ts';
import type { DataLoss, IncidentRecord } from './records.ts';
import { servedLast } from './served-last.ts';

export function decideBringOnline(
  state: ClusterState,
  order: BringOnline,
  nowMs: number,
): EngineStatusDecision {
  const place = placeOf(state, order.address);
  if (place === undefined) return refuseAddress(state, order.address);
  const { shard, entry } = place;
  if (entry.status === 'rip')
    return refused('rip', `${order.address} (shard ${shard} of ${state.cluster}) is gone for good`, shard);
  if (entry.status === 'online')
    return already(`${order.address} is online already`, state.incidents.get(shard));
  const open = state.incidents.get(shard);
  if (open === undefined) {
    const reason = `${order.address} is ${entry.status} and has no open incident; report its failure first`;
    return refused('incident-not-open', reason, shard);
  }
  const incident = consistent(state, open);
  if (isDecision(incident)) return incident;
  if (incident.status === 'repair-final-outage') {
    const reason = `the blocks of ${entry.address} are rebuilt on ${entry.replacement?.address ?? 'other engines'}; 'salvor repair cancel ${incident.id}' stops that`;
    return refused('under-rebuild', reason, shard);
  }
  const spare = keptSpare(incident);
  if (place.as === 'replacement' && spare !== undefined)
    return bringBackSpare(state, incident, spare.address, order, nowMs);
  const isAlone = hasNoSurvivor(state, shard);
  const last = isAlone ? servedLast(state, shard) : 'yes';
  // One that served last is under repair for a moment only, unless it lost its last writes: then somebody may give them up.
  const isStuck = isAlone && incident.status === 'repair-tmp-outage';
  const isStale = last === 'no' || (order.accepts !== undefined && (last === 'unclear' || isStuck));
  const cause = causeOf(state, incident, order, nowMs);
  if (isStale || (isAlone && incident.rebuildBegun)) return bringBackStale(state, incident, order, cause);
  if (incident.rebuildBegun) {
    const reason = `a rebuild of shard ${shard} was begun in incident ${incident.id}, so nothing tells any more which writes ${incident.address} missed; its partner has them all: give the verdict 'permanent', and add the engine as a spare to use it again`;
    return refused('rebuild-begun', reason, shard);
  }
  if (incident.status === 'repair-tmp-outage')
    return already(`${incident.address} is being repaired in incident ${incident.id}`, incident);
  return bringBack(state, incident, order, cause);
}

/** A spare that was kept goes on with its rebuild; as it is, it lacks whole vdisks. */
function bringBackSpare(
  state: ClusterState,
  incident: IncidentRecord,
  spare: string,
  order: BringOnline,
  nowMs: number,
): EngineStatusDecision {
  const { shard, id } = incident;
  if (order.accepts !== undefined) {
    const reason = `the rebuild on ${spare} has not ended: it cannot serve as it is. Without '--accept-data-loss' the rebuild goes on; what ${spare} has lost is given up with its partner, or with the verdict 'permanent'`;
    return refused('under-rebuild', reason, shard);
  }
  const cause = {
    ...causeOf(state, incident, order, nowMs),
    reason: `${order.by} had the rebuild on ${spare} in ${id} go on: ${order.reason}`,
  };
  const judged = judgedBy(incident, order, cause, 'temporary');
  return applied(resumeRebuild({ state, events: [] }, judged, cause), shard, cause);
}

/** Nothing was missed, or what was missed is copied back from the partner. */
function bringBack(
  state: ClusterState,
  incident: IncidentRecord,
  order: BringOnline,
  cause: Cause,
): EngineStatusDecision {
  const { shard } = incident;
  const isUntouched = order.missedWrites === false && incident.attempt === 1;
  const judged = judgedBy(incident, order, cause, isUntouched ? 'false_alarm' : 'temporary');
  const step = { state, events: [] };
  return isUntouched
    ? applied(
        moveEngine(step, { shard, to: 'online', cause, incident: judged, outcome: 'false-alarm' }),
        shard,
        { ...cause, reason: `${cause.reason}; it missed no write` },
      )
    : applied(moveEngine(step, { shard, to: 'repair-tmp-outage', cause, incident: judged }), shard, cause);
}

/** The only way on from two members of which neither is whole. What is given up is written down with it. */
function bringBackStale(
  state: ClusterState,
  incident: IncidentRecord,
  order: BringOnline,
  cause: Cause,
): EngineStatusDecision {
  const { shard, address } = incident;
  const other = state.partner?.storage.servers[shard];
  const company =
    other === undefined ? 'it has no partner' : `its partner ${other.address} is ${other.status}`;
  if (order.accepts === undefined) {
    const reason = `${address} is stale: writes were acknowledged without it, and ${company}. Bring the partner back if its data is there; '--accept-data-loss' gives up what ${address} misses`;
    return refused('stale-engine', reason, shard);
  }
  const { by, reason, at, operation } = { ...order, at: cause.at };
  const lost: DataLoss = { by, at, reason: cut(reason), vdisks: [...order.accepts.vdisks] };
  const left = dropKeptSpare(state, incident, at);
  const judged: IncidentRecord = { ...judgedBy(left.incident, order, cause, 'false_alarm'), lost };
  const accepted: Cause = {
    ...{ by, operation, at },
    reason: `${by} brought ${address} back as it is and gave up the writes it missed: ${reason}`,
  };
  const offline = takeBack({ state: left.state, events: [] }, judged, accepted);
  const current = incident.status === 'offline' ? judged : (offline.state.incidents.get(shard) ?? judged);
  const moved = moveEngine(offline, {
    ...{ shard, to: 'online', cause: accepted, incident: current, outcome: 'data-loss-accepted' },
    // Its owners would find signs of what it lost, and report it again.
    entry: { ...entryAt(offline.state, shard), acceptedLoss: incident.id },
  });
  // An owner that knows a later write would refuse the engine for its lost tail, and report it again.
  return { ...applied(moved, shard, accepted), remounted: lost.vdisks.map(({ vdisk }) => vdisk) };
}

/** A repair that waits for a partner that does not come ends here. */
function takeBack(step: Step, incident: IncidentRecord, cause: Cause): Step {
  const { shard, status, attempt } = incident;
  if (status === 'offline') return step;
  return moveEngine(step, { shard, to: 'offline', cause, incident: { ...incident, attempt: attempt + 1 } });
}

function judgedBy(
  incident: IncidentRecord,
  { by, reason }: BringOnline,
  cause: Cause,
  verdict: 'temporary' | 'false_alarm',
): IncidentRecord {
  const noted = withAction(released(incident), 'engine.bring-online', { ...cause, reason });
  return {
    ...noted,
    verdict: { verdict, reason: cut(reason), evidence: [], by, at: cause.at, operator: true },
  };
}

function causeOf(
  state: ClusterState,
  { shard, address }: IncidentRecord,
  { by, reason, operation }: BringOnline,
  nowMs: number,
): Cause {
  const at = orderedAt(state, shard, nowMs);
  return { reason: `${by} brought ${address} back: ${reason}`, by, operation, at };
}
