/** One move of one engine along the table of moves, with everything that goes with it. */
import { type EngineStatus, type ServerEntry, stateOfStatus } from '../cluster-storage.ts';
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type ClusterJudgement, judged } from './cluster-status.ts';
import type { HealingEvent } from './healing-events.ts';
import { assertRule } from './invariant.ts';
import {
  type ClosedIncident,
  type IncidentOutcome,
  type IncidentRecord,
  incidentHistoryMax,
  retiredEnginesMax,
  type SalvorClusterRecord,
  sentenceCharsMax,
} from './records.ts';
import { engineMoves, isIncidentStatus } from './status-words.ts';

/** Who moves an engine, why, and when (Unix milliseconds). */
export interface Cause {
  readonly reason: string;
  readonly by: string;
  readonly operation: string;
  readonly at: number;
}

/** A state on its way to being stored, with what is to be announced when it is. */
export interface Step {
  readonly state: ClusterState;
  readonly events: readonly HealingEvent[];
  readonly closed?: ClosedIncident;
}

export interface Move {
  readonly shard: number;
  readonly to: EngineStatus;
  readonly cause: Cause;
  /** The incident as it is to be, but for status and history, which the move sets. */
  readonly incident: IncidentRecord;
  /** The engine's entry as it is to be, but for status and state; left out when those are all. */
  readonly entry?: ServerEntry;
  /** What became of the incident: given exactly when the move ends it. */
  readonly outcome?: IncidentOutcome;
}

export function moveEngine(step: Step, move: Move): Step {
  const { state } = step;
  const { shard, to, cause } = move;
  const before = entryAt(state, shard);
  const from = before.status;
  assertRule(
    engineMoves[from].includes(to),
    `${before.address} may not go from ${from} to ${to}; from ${from} it may go to ${engineMoves[from].join(', ') || 'nothing'}`,
  );
  assertRule(
    isIncidentStatus(to) === (move.outcome === undefined),
    `an incident ends exactly when its engine is online or rip again, not on the way from ${from} to ${to}`,
  );
  const base = move.entry ?? before;
  const isWhole = move.outcome === 'repaired' || move.outcome === 'replaced';
  const { acceptedLoss: _known, ...whole } = base;
  const entry: ServerEntry = { ...(isWhole ? whole : base), status: to, state: stateOfStatus[to] };
  const incident = withHistory(move.incident, from, to, cause);
  const incidents = new Map(state.incidents);
  const record = { ...state.record };
  const closed = move.outcome === undefined ? undefined : close(incident, move.outcome, cause.at);
  if (isIncidentStatus(to)) incidents.set(shard, { ...incident, status: to });
  else incidents.delete(shard);
  if (to === 'online') record.lastOnlineAt = { ...record.lastOnlineAt, [shard]: cause.at };

  const event = statusChanged(state, move, before, lastMovedAt(state, shard));
  return {
    state: {
      ...state,
      storage: { ...state.storage, servers: state.storage.servers.with(shard, entry) },
      record,
      incidents,
    },
    events: [...step.events, event, ...(closed === undefined ? [] : [incidentClosed(closed)])],
    ...(closed === undefined ? {} : { closed }),
  };
}

/** When the engine of a shard last changed its status, where that is known. */
export function lastMovedAt(state: ClusterState, shard: number): number | undefined {
  return state.incidents.get(shard)?.history.at(-1)?.at ?? state.record.lastOnlineAt[shard];
}

/** Stamps the cluster record, and brings the status of the cluster and of its partner up to date. */
export function settle(step: Step, cause: Cause): Step {
  const { state } = step;
  const events = [...step.events];
  const own = judged(state.record, state.storage.servers, state.partner?.storage.servers);
  const record: SalvorClusterRecord = {
    ...state.record,
    ...statusOf(state.record, own, cause.at),
    updatedAt: cause.at,
    operation: cause.operation,
  };
  if (own.status !== state.record.status) {
    events.push(clusterChanged(state.cluster, state.record.status, own.status, own.reason, cause.at));
  }
  const { partner } = state;
  if (partner?.record === undefined) return { ...step, state: { ...state, record }, events };

  const other = judged(partner.record, partner.storage.servers, state.storage.servers);
  if (other.status === partner.record.status) return { ...step, state: { ...state, record }, events };
  events.push(clusterChanged(partner.cluster, partner.record.status, other.status, other.reason, cause.at));
  const partnerRecord: SalvorClusterRecord = {
    ...partner.record,
    ...statusOf(partner.record, other, cause.at),
    updatedAt: cause.at,
    operation: cause.operation,
  };
  return { ...step, state: { ...state, record, partner: { ...partner, record: partnerRecord } }, events };
}

function statusOf(
  before: SalvorClusterRecord,
  { status, reason }: ClusterJudgement,
  at: number,
): Pick<SalvorClusterRecord, 'status' | 'reason' | 'changed'> {
  if (status === before.status) return { status, reason };
  return { status, reason, changed: { from: before.status, to: status, at } };
}

function withHistory(
  incident: IncidentRecord,
  from: EngineStatus,
  to: EngineStatus,
  cause: Cause,
): IncidentRecord {
  const { at, by, operation } = cause;
  const line = { at, from, to, attempt: incident.attempt, reason: cut(cause.reason), by, operation };
  const lines = [...incident.history, line];
  const kept =
    lines.length <= incidentHistoryMax
      ? lines
      : [...lines.slice(0, 1), ...lines.slice(1 - incidentHistoryMax)];
  return { ...incident, history: kept };
}

/** The incident as it is when it ends with a move to `to`. */
export function closeIncident(
  incident: IncidentRecord,
  { to, outcome }: { readonly to: EngineStatus; readonly outcome: IncidentOutcome },
  cause: Cause,
): ClosedIncident {
  return close(withHistory(incident, incident.status, to, cause), outcome, cause.at);
}

/** Remembers an engine that left the cluster. */
export function retireEngine(
  record: SalvorClusterRecord,
  { address, db }: { readonly address: string; readonly db: number },
  incident: string,
  at: number,
): SalvorClusterRecord {
  const retired = [...record.retired, { address, db, incident, at }].slice(-retiredEnginesMax);
  return { ...record, retired };
}

function close(incident: IncidentRecord, outcome: IncidentOutcome, at: number): ClosedIncident {
  return { ...incident, outcome, closedAt: at, durationMs: Math.max(0, at - incident.openedAt) };
}

export function cut(sentence: string): string {
  return sentence.length > sentenceCharsMax ? `${sentence.slice(0, sentenceCharsMax - 1)}…` : sentence;
}

function statusChanged(
  state: ClusterState,
  move: Move,
  before: ServerEntry,
  since: number | undefined,
): HealingEvent {
  const { cause, incident, shard, to } = move;
  const replacement = to === 'offline' ? undefined : incident.replacement?.address;
  return {
    type: 'engine.status-changed',
    payload: {
      cluster: state.cluster,
      shard,
      address: before.address,
      from: before.status,
      to,
      incident: incident.id,
      attempt: incident.attempt,
      reason: cut(cause.reason),
      by: cause.by,
      operation: cause.operation,
      at: cause.at,
      ...(since === undefined ? {} : { durationMs: Math.max(0, cause.at - since) }),
      ...(replacement === undefined ? {} : { replacement }),
    },
  };
}

function incidentClosed(closed: ClosedIncident): HealingEvent {
  const { cluster, shard, address, outcome, durationMs } = closed;
  return {
    type: 'incident.closed',
    payload: { incident: closed.id, cluster, shard, address, outcome, durationMs, at: closed.closedAt },
  };
}

function clusterChanged(
  cluster: string,
  from: SalvorClusterRecord['status'],
  to: SalvorClusterRecord['status'],
  reason: string,
  at: number,
): HealingEvent {
  return { type: 'cluster.status-changed', payload: { cluster, from, to, reason, at } };
}
