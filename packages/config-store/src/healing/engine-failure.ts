/** What a report that an engine failed does. Ten reports of one failure make one move and one incident. */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { type Cause, cut, lastMovedAt, moveEngine, retireEngine, type Step } from './engine-move.ts';
import { type EnginePlace, placeOf, refuseAddress } from './engine-place.ts';
import {
  already,
  applied,
  type EngineStatusDecision,
  type FailureReported,
  refused,
} from './engine-status-decision.ts';
import { assertRule } from './invariant.ts';
import { isSpareNeeded, withoutSpare } from './kept-spare.ts';
import { failuresKeptMax, type IncidentRecord, incidentReportersMax } from './records.ts';
import { isIncidentStatus } from './status-words.ts';

export function decideFailureReport(
  state: ClusterState,
  report: FailureReported,
  nowMs: number,
): EngineStatusDecision {
  const place = placeOf(state, report.address);
  if (place === undefined) return refuseAddress(state, report.address);
  const { entry, shard } = place;
  const incident = state.incidents.get(shard);
  switch (entry.status) {
    case 'rip':
      return refused('rip', `${report.address} (shard ${shard} of ${state.cluster}) is gone for good`, shard);
    case 'offline':
      return incident === undefined
        ? adopt(state, place, report, nowMs)
        : heardAgain(state, incident, report);
    case 'repair-final-outage':
      if (incident !== undefined && place.as === 'engine') return heardAgain(state, incident, report);
      return goOffline(state, place, report, nowMs);
    case 'online':
    case 'repair-tmp-outage':
      return goOffline(state, place, report, nowMs);
  }
}

/** `<cluster>-<shard>-<base36 of openedAt>`, within the bounds of an id whatever the cluster is called. */
export function incidentId(cluster: string, shard: number, openedAt: number): string {
  const name = cluster.replaceAll(/[^A-Za-z0-9_:-]/g, '_').slice(0, incidentClusterCharsMax);
  return `${name}-${shard}-${openedAt.toString(36)}`;
}

/**
 * The shard that an incident id names, or null when it is no incident id (or none of `cluster`).
 */
export function parseIncidentId(id: string, cluster?: string): number | null {
  const match = /^(.+)-(\d{1,9})-[0-9a-z]+$/.exec(id);
  if (match === null) return null;
  const shard = Number(match[2]);
  return cluster === undefined || id.startsWith(incidentId(cluster, shard, 0).slice(0, -1)) ? shard : null;
}

/** Leaves room for the shard and the time in an id of 64 characters. */
export const incidentClusterCharsMax = 48;

function goOffline(
  state: ClusterState,
  place: EnginePlace,
  report: FailureReported,
  nowMs: number,
): EngineStatusDecision {
  const { entry, shard } = place;
  const since = lastMovedAt(state, shard);
  if (!isFresh(state, report, since)) {
    const reason = `the report of ${report.reporter} is of ${report.detectedAt}, before ${report.address} became ${entry.status} at ${since}; report again if it still fails`;
    return refused('stale-report', reason, shard);
  }
  const open = state.incidents.get(shard);
  const cause = causeOf(report, nowMs, since);
  const isKept = isSpareNeeded(state, shard);
  const incident =
    open === undefined ? openIncident(state, shard, report, cause.at) : nextAttempt(open, report, isKept);
  const { replacement, ...alone } = entry;
  const left =
    replacement === undefined
      ? withFailure(state, shard, cause.at)
      : isKept
        ? state
        : retire(state, replacement, incident.id, cause.at);
  const step = moveEngine(
    { state: left, events: open === undefined ? [opened(incident, report)] : [] },
    { shard, to: 'offline', cause, incident, entry: isKept ? entry : alone },
  );
  return applied(step, shard, cause);
}

/** Remembered beyond the incident: an engine that fails again and again has a short incident each time. */
function withFailure(state: ClusterState, shard: number, at: number): ClusterState {
  const before = state.record.failures?.[shard] ?? [];
  const failures = { ...state.record.failures, [shard]: [...before, at].slice(-failuresKeptMax) };
  return { ...state, record: { ...state.record, failures } };
}

/** An engine that other tools have put offline gets an incident, so that it is healed like any other. */
function adopt(
  state: ClusterState,
  { shard, entry }: EnginePlace,
  report: FailureReported,
  nowMs: number,
): EngineStatusDecision {
  const cause = causeOf(report, nowMs, lastMovedAt(state, shard));
  const incident = openIncident(state, shard, report, cause.at);
  const incidents = new Map(state.incidents).set(shard, incident);
  const { replacement, ...alone } = entry;
  const servers = state.storage.servers.with(shard, alone);
  const next = { ...state, storage: { ...state.storage, servers }, incidents };
  const left = replacement === undefined ? next : retire(next, replacement, incident.id, cause.at);
  const reason = `${entry.address} was offline without an incident; ${cause.reason}`;
  return applied({ state: left, events: [opened(incident, report)] }, shard, { ...cause, reason }, 'adopted');
}

function heardAgain(
  state: ClusterState,
  incident: IncidentRecord,
  report: FailureReported,
): EngineStatusDecision {
  const reason = `${report.address} is already ${incident.status} in incident ${incident.id}, attempt ${incident.attempt}`;
  const heard = withReporter(incident, report);
  if (heard === incident) return already(reason, incident);
  const incidents = new Map(state.incidents).set(incident.shard, heard);
  return { ...already(reason, heard), next: { ...state, incidents } };
}

function nextAttempt(open: IncidentRecord, report: FailureReported, keepsSpare: boolean): IncidentRecord {
  const heard = withReporter(open, report);
  const { verdict: _verdict, ...known } = keepsSpare ? heard : withoutSpare(heard);
  const { repairKind: _kind, survivor: _survivor, waitsFor: _waits, ...rest } = known;
  return { ...rest, attempt: open.attempt + 1 };
}

export function openIncident(
  state: ClusterState,
  shard: number,
  report: FailureReported,
  openedAt: number,
): IncidentRecord {
  const { address, db, status } = entryAt(state, shard);
  assertRule(
    status === 'online' || isIncidentStatus(status),
    `an incident is not opened for a ${status} engine`,
  );
  return {
    id: incidentId(state.cluster, shard, openedAt),
    cluster: state.cluster,
    shard,
    address,
    db,
    status: 'offline',
    attempt: 1,
    openedAt,
    reporters: [reporterOf(report)],
    reportedTimes: 1,
    rebuildBegun: status === 'repair-final-outage',
    history: [],
  };
}

function withReporter(incident: IncidentRecord, report: FailureReported): IncidentRecord {
  const isKnown = incident.reporters.some(({ reporter }) => reporter === reporterOf(report).reporter);
  if (isKnown || incident.reporters.length >= incidentReportersMax) return incident;
  return {
    ...incident,
    reporters: [...incident.reporters, reporterOf(report)],
    reportedTimes: incident.reportedTimes + 1,
  };
}

function reporterOf(report: FailureReported): IncidentRecord['reporters'][number] {
  return {
    reporter: report.reporter || 'unnamed',
    at: Math.max(0, report.detectedAt),
    reason: cut(report.reason),
  };
}

export function retire(
  state: ClusterState,
  { address, db }: { readonly address: string; readonly db: number },
  incident: string,
  at: number,
): ClusterState {
  return { ...state, record: retireEngine(state.record, { address, db }, incident, at) };
}

/**
 * Reports arrive late, twice and out of order: one that was seen before the engine's last move is about the
 * failure before it. The reporter's clock may be wrong, so a report made under the current configuration
 * counts as fresh without looking at the clock.
 */
function isFresh(state: ClusterState, report: FailureReported, since: number | undefined): boolean {
  const seenNow = report.seenRevision !== undefined && report.seenRevision === state.revision;
  return seenNow || since === undefined || report.detectedAt >= since;
}

/** Time in an incident never runs backwards, and a new incident never has the id of the one before. */
function causeOf(report: FailureReported, nowMs: number, since: number | undefined): Cause {
  const by = report.reporter || 'unnamed';
  return {
    reason: `${by} reported that ${report.address} failed: ${report.reason || 'no reason given'}`,
    by,
    operation: report.operation,
    at: since === undefined ? nowMs : Math.max(nowMs, since + 1),
  };
}

export function opened(incident: IncidentRecord, report: FailureReported): Step['events'][number] {
  const { id, cluster, shard, address, openedAt } = incident;
  return {
    type: 'incident.opened',
    payload: {
      incident: id,
      cluster,
      shard,
      address,
      reason: cut(report.reason),
      reporter: report.reporter || 'unnamed',
      at: openedAt,
    },
  };
}
