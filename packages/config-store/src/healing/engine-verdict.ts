/** What a verdict does: bring the engine back with its data, rebuild it on a spare, or let it back as it is. */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type Cause, cut, lastMovedAt, moveEngine, type Step } from './engine-move.ts';
import { consistent, incidentOf, isDecision, placeOf, refuseAddress } from './engine-place.ts';
import {
  already,
  applied,
  type EngineStatusDecision,
  refused,
  type VerdictGiven,
} from './engine-status-decision.ts';
import { doubtMs, falseAlarmsOf, withFalseAlarm } from './false-alarm.ts';
import { type FlappingPolicy, flappingHold, heldBack, holdSentence } from './held-back.ts';
import { dropKeptSpare, keptSpare, resumeRebuild } from './kept-spare.ts';
import { released } from './operator-action.ts';
import { type EngineRef, type IncidentRecord, verdictEvidenceMax } from './records.ts';
import type { IncidentStatus } from './status-words.ts';

export function decideVerdict(
  state: ClusterState,
  input: VerdictGiven,
  nowMs: number,
  flapping?: FlappingPolicy,
): EngineStatusDecision {
  const incident = incidentJudged(state, input);
  if (isDecision(incident)) return incident;
  const { shard, verdict: before } = incident;
  const odd = input.verdict === 'false_alarm' ? input.oddReporter : undefined;
  const isDoubted = odd !== undefined && doubtMs(falseAlarmsOf(state, shard, odd, nowMs)) > 0;
  const plan = planOf(incident, input, isDoubted);

  if (incident.status === plan.to) {
    return already(`${incident.address} is already ${incident.status} in incident ${incident.id}`, incident);
  }
  if (plan.to !== 'repair-final-outage' && incident.rebuildBegun) {
    const reason = `a rebuild of shard ${shard} was begun in incident ${incident.id}, so nothing tells any more which writes ${incident.address} missed; only 'permanent' can follow (add the engine as a spare to use it again)`;
    return refused('rebuild-begun', reason, shard);
  }
  if (input.operator !== true && incident.status !== 'offline') {
    const reason = `incident ${incident.id} was judged ${before?.verdict ?? 'before'} and is ${incident.status}; only an operator can judge it anew`;
    return refused('verdict-in-force', reason, shard);
  }
  if (input.operator !== true && before?.operator === true && before.verdict !== input.verdict) {
    const reason = `${before.by} decided that incident ${incident.id} is ${before.verdict}; an operator's verdict is changed by an operator only`;
    return refused('operator-decided', reason, shard);
  }
  const since = lastMovedAt(state, shard) ?? incident.openedAt;
  if (input.operator !== true) {
    const at = Math.max(nowMs, since);
    const kept =
      heldBack(state, incident, input.verdict, nowMs) ??
      (odd === undefined ? keptOffline(state, incident, input, flapping, at) : undefined);
    if (kept !== undefined) return kept;
  }
  const cause: Cause = {
    reason: `${input.by} judged incident ${incident.id} ${wordOf(input)}: ${input.reason}${plan.remark}`,
    by: input.by,
    operation: input.operation,
    at: Math.max(nowMs, since),
  };
  const taken = incident.status === 'offline' ? { state, events: [] } : takeBack(state, incident, cause);
  const current = taken.state.incidents.get(shard) ?? incident;
  const noted =
    odd === undefined
      ? { state: taken.state, incident: current }
      : withFalseAlarm(taken.state, current, odd, cause.at);
  const offline = { ...taken, state: noted.state };
  const judged = withVerdict(
    input.operator === true ? released(noted.incident) : noted.incident,
    input,
    cause.at,
  );
  switch (plan.to) {
    case 'online':
      return applied(
        moveEngine(offline, { shard, to: 'online', cause, incident: judged, outcome: 'false-alarm' }),
        shard,
        cause,
      );
    case 'repair-tmp-outage':
      return applied(moveEngine(offline, { shard, to: plan.to, cause, incident: judged }), shard, cause);
    case 'repair-final-outage':
      return input.verdict === 'permanent'
        ? rebuild(offline, judged, before, cause)
        : applied(resumeRebuild(offline, judged, cause), shard, cause);
  }
}

/** An engine that keeps failing is not brought back again and again: somebody is to look at it. */
function keptOffline(
  state: ClusterState,
  incident: IncidentRecord,
  input: VerdictGiven,
  policy: FlappingPolicy | undefined,
  at: number,
): EngineStatusDecision | undefined {
  if (input.verdict === 'permanent') return undefined;
  const { operation, by } = input;
  const hold = flappingHold(state, incident, policy, { operation, at });
  if (hold === undefined) return undefined;
  const held = { ...incident, hold };
  const incidents = new Map(state.incidents).set(incident.shard, held);
  const cause = { reason: holdSentence(incident, hold), by, operation, at };
  return applied({ state: { ...state, incidents }, events: [] }, incident.shard, cause, 'held');
}

interface Plan {
  readonly to: 'online' | Exclude<IncidentStatus, 'offline'>;
  readonly remark: string;
}

/** An engine comes back as it is only when it certainly missed nothing; a doubt costs a repair, not data. */
function planOf(incident: IncidentRecord, { verdict, missedWrites }: VerdictGiven, isDoubted: boolean): Plan {
  const spare = keptSpare(incident);
  if (spare !== undefined && verdict !== 'permanent')
    return { to: 'repair-final-outage', remark: `; the rebuild on ${spare.address} goes on` };
  switch (verdict) {
    case 'temporary':
      return { to: 'repair-tmp-outage', remark: '' };
    case 'permanent':
      return { to: 'repair-final-outage', remark: '' };
    case 'false_alarm': {
      const isUntouched = incident.attempt === 1 && incident.status === 'offline';
      if (missedWrites === false && isUntouched && !isDoubted) return { to: 'online', remark: '' };
      const why =
        missedWrites === false
          ? isDoubted
            ? 'its reporter raised false alarms before'
            : 'a repair was begun'
          : `it ${missedWrites === true ? 'missed' : 'may have missed'} writes`;
      return { to: 'repair-tmp-outage', remark: ` (treated as temporary: ${why})` };
    }
  }
}

function incidentJudged(state: ClusterState, input: VerdictGiven): IncidentRecord | EngineStatusDecision {
  if (input.operator !== true) return incidentOf(state, input);
  const place = placeOf(state, input.address);
  if (place === undefined) return refuseAddress(state, input.address);
  const incident = state.incidents.get(place.shard);
  if (incident !== undefined) return consistent(state, incident);
  const reason = `${input.address} is ${place.entry.status} and has no open incident; report its failure first`;
  return refused('incident-not-open', reason, place.shard);
}

/** An operator judges an engine anew while it is repaired: that repair ends, and a new attempt begins. */
function takeBack(state: ClusterState, incident: IncidentRecord, cause: Cause): Step {
  const { verdict: _verdict, repairKind: _kind, survivor: _survivor, waitsFor: _waits, ...rest } = incident;
  return moveEngine(
    { state, events: [] },
    { shard: incident.shard, to: 'offline', cause, incident: { ...rest, attempt: incident.attempt + 1 } },
  );
}

/**
 * Why a lost engine cannot be rebuilt now, or null. While there is nothing to rebuild it from no rebuild begins: the engine may
 * be back with all its data, and after such a beginning it could not be used any more.
 */
function whyNoSource(state: ClusterState, shard: number): string | null {
  const other = state.partner?.storage.servers[shard];
  if (other?.status === 'online') return null;
  const why =
    other === undefined ? 'it was the only copy' : `its partner ${other.address} is ${other.status}`;
  return `${why}, so there is nothing to rebuild it from; it is used when it comes back with its data`;
}

/** Fills the first spare that is free, or records what that waits for. */
export function rebuild(
  step: Step,
  incident: IncidentRecord,
  before: IncidentRecord['verdict'],
  cause: Cause,
): EngineStatusDecision {
  const { shard } = incident;
  const { state } = step;
  const entry = entryAt(state, shard);
  const wait = (code: 'waiting-for-source' | 'waiting-for-spare', waitsFor: string): EngineStatusDecision => {
    const reason = `${cause.reason}; ${incident.address} stays offline: ${waitsFor}`;
    const isKnown = before?.verdict === 'permanent' && before.operator === incident.verdict?.operator;
    if (isKnown && incident.waitsFor === waitsFor) return { ...already(reason, incident), code };
    const incidents = new Map(state.incidents).set(shard, { ...incident, waitsFor });
    return applied({ ...step, state: { ...state, incidents } }, shard, { ...cause, reason }, code);
  };
  const lacking = incident.rebuildBegun ? null : whyNoSource(state, shard);
  if (lacking !== null) return wait('waiting-for-source', lacking);
  const spare = freeSpare(state, shard);
  if (spare === undefined)
    return wait('waiting-for-spare', `${state.cluster} has no spare left, add one to rebuild it`);
  const generation = Math.max(entry.generation, incident.lastGeneration ?? 0) + 1;
  const replacement = { address: spare.address, db: spare.db, generation };
  const left = dropKeptSpare(state, incident, cause.at);
  const record = { ...left.state.record, spares: state.record.spares.filter((other) => other !== spare) };
  const { waitsFor: _waits, ...begun } = left.incident;
  const moved = moveEngine(
    { ...step, state: { ...left.state, record } },
    {
      shard,
      to: 'repair-final-outage',
      cause: { ...cause, reason: `${cause.reason}; its blocks are rebuilt on ${spare.address}` },
      incident: {
        ...begun,
        ...{ replacement, lastGeneration: generation, rebuildBegun: true, repairKind: 'spare' },
        spareSince: incident.attempt,
      },
      entry: { ...entry, replacement },
    },
  );
  return applied(moved, shard, {
    ...cause,
    reason: `${cause.reason}; its blocks are rebuilt on ${spare.address}`,
  });
}

/** The spare that a shard of the cluster would be rebuilt on. */
export function freeSpare(state: ClusterState, shard: number): EngineRef | undefined {
  return state.record.spares.find(({ address }) => isFree(state, shard, address));
}

/** A shard may be rebuilt on its own engine, emptied; never on one that serves another shard. */
function isFree(state: ClusterState, shard: number, address: string): boolean {
  return state.storage.servers.every(
    (entry, other) =>
      entry.replacement?.address !== address &&
      (entry.address !== address || other === shard || entry.status === 'rip'),
  );
}

/** The same verdict given again, once a spare is there, keeps the name of the operator who gave it. */
function withVerdict(incident: IncidentRecord, input: VerdictGiven, at: number): IncidentRecord {
  if (incident.verdict?.verdict === input.verdict && incident.verdict.operator && input.operator !== true) {
    return incident;
  }
  const evidence = input.evidence
    .slice(0, verdictEvidenceMax)
    .map((one) => ({ ...one, detail: cut(one.detail) }));
  return {
    ...incident,
    verdict: {
      verdict: input.verdict,
      reason: cut(input.reason),
      evidence,
      by: input.by,
      at,
      operator: input.operator === true,
    },
  };
}

function wordOf({ verdict }: VerdictGiven): string {
  return verdict === 'false_alarm' ? 'a false alarm' : verdict;
}
