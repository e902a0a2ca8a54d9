/** What the order to take an engine out does: a planned outage, held until somebody brings the engine back. */
import { type ClusterState, entryAt } from './cluster-state.ts';
import { opened, openIncident } from './engine-failure.ts';
import { type Cause, lastMovedAt, moveEngine, type Step } from './engine-move.ts';
import { consistent, isDecision, placeOf, refuseAddress } from './engine-place.ts';
import { already, applied, type EngineStatusDecision, refused } from './engine-status-decision.ts';
import { withoutSpare } from './kept-spare.ts';
import { withAction } from './operator-action.ts';
import type { RetireEngine, TakeOffline, VdisksAt } from './operator-order.ts';
import type { Hold, IncidentRecord } from './records.ts';

const namedMax = 8;

export function decideTakeOffline(
  state: ClusterState,
  order: TakeOffline,
  nowMs: number,
): EngineStatusDecision {
  const place = placeOf(state, order.address);
  if (place === undefined) return refuseAddress(state, order.address);
  const { shard, entry } = place;
  const incident = state.incidents.get(shard);
  switch (entry.status) {
    case 'rip':
      return refused('rip', `${order.address} (shard ${shard} of ${state.cluster}) is gone for good`, shard);
    case 'repair-final-outage': {
      const reason = `${entry.address} is lost and its blocks are rebuilt on ${entry.replacement?.address ?? 'other engines'}; 'salvor repair cancel ${incident?.id ?? '<incident>'}' stops that`;
      return refused('under-rebuild', reason, shard);
    }
    case 'offline': {
      if (incident === undefined) return goOffline(state, shard, order, nowMs);
      const known = consistent(state, incident);
      return isDecision(known) ? known : hold(state, known, order, nowMs);
    }
    case 'repair-tmp-outage':
      return goOffline(state, shard, order, nowMs);
    case 'online': {
      const dark = order.force ? undefined : darkened(state, shard, order.vdisks);
      if (dark === undefined) return goOffline(state, shard, order, nowMs);
      const advice = 'bring its partner back first, or give --force';
      return refused('last-member', `without ${order.address} ${dark}; ${advice}`, shard);
    }
  }
}

/** Which data nobody could read without the engine of `shard`, undefined when there is none. */
export function darkened(
  state: ClusterState,
  shard: number,
  { single, mirrored }: VdisksAt,
): string | undefined {
  const other = state.partner?.storage.servers[shard];
  const isSurplus =
    state.record.role === 'slave' &&
    state.partner !== undefined &&
    shard >= state.partner.storage.servers.length;
  if (isSurplus) return undefined;
  if (single.length > 0) return `${named(single)} would lose the only copy of that shard`;
  if (other?.status === 'online' || mirrored.length === 0) return undefined;
  const company =
    other === undefined ? 'there is no partner' : `its partner ${other.address} is ${other.status}`;
  return `${named(mirrored)} would have no member of pair ${shard}: ${company}`;
}

/** The first move of an order about an engine that is up: it opens the incident, or begins its next attempt. */
export function setOffline(
  state: ClusterState,
  shard: number,
  order: Pick<TakeOffline | RetireEngine, 'address' | 'by' | 'reason' | 'operation'>,
  cause: Cause,
): Step {
  const open = state.incidents.get(shard);
  const report = {
    ...({ kind: 'failure-reported', address: order.address, reporter: order.by } as const),
    ...{ reason: order.reason, operation: order.operation, detectedAt: cause.at },
  };
  const { replacement: _replacement, ...alone } = entryAt(state, shard);
  if (open === undefined) {
    const incident = openIncident(state, shard, report, cause.at);
    const events = [opened(incident, report)];
    if (alone.status !== 'offline')
      return moveEngine({ state, events }, { shard, to: 'offline', cause, incident, entry: alone });
    // Other tools have put it offline.
    const servers = state.storage.servers.with(shard, alone);
    const incidents = new Map(state.incidents).set(shard, incident);
    return { state: { ...state, storage: { ...state.storage, servers }, incidents }, events };
  }
  if (open.status === 'offline') return { state, events: [] };
  const { verdict: _verdict, repairKind: _kind, ...rest } = withoutSpare(open);
  const incident = { ...rest, attempt: open.attempt + 1 };
  return moveEngine({ state, events: [] }, { shard, to: 'offline', cause, incident, entry: alone });
}

/** Time in an incident never runs backwards, and a new incident never has the id of the one before. */
export function orderedAt(state: ClusterState, shard: number, nowMs: number): number {
  const since = lastMovedAt(state, shard);
  return since === undefined ? nowMs : Math.max(nowMs, since + 1);
}

function goOffline(
  state: ClusterState,
  shard: number,
  order: TakeOffline,
  nowMs: number,
): EngineStatusDecision {
  const cause = causeOf(state, shard, order, nowMs);
  const step = setOffline(state, shard, order, cause);
  return applied(held(step, shard, order, cause), shard, cause);
}

function hold(
  state: ClusterState,
  incident: IncidentRecord,
  order: TakeOffline,
  nowMs: number,
): EngineStatusDecision {
  const { shard } = incident;
  if (incident.hold?.kind === 'planned') {
    return already(`${order.address} was taken offline by ${incident.hold.by} already`, incident);
  }
  const cause = causeOf(state, shard, order, nowMs);
  return applied(held({ state, events: [] }, shard, order, cause), shard, cause, 'noted');
}

function held(step: Step, shard: number, order: TakeOffline, cause: Cause): Step {
  const incident = step.state.incidents.get(shard);
  if (incident === undefined) return step;
  const { by, reason, operation } = order;
  const planned: Hold = { kind: 'planned', by, at: cause.at, reason, operation };
  const noted = withAction({ ...incident, hold: planned }, 'engine.take-offline', { ...cause, reason });
  return {
    ...step,
    state: { ...step.state, incidents: new Map(step.state.incidents).set(shard, noted) },
  };
}

function causeOf(state: ClusterState, shard: number, order: TakeOffline, nowMs: number): Cause {
  const { by, address, reason, operation } = order;
  const at = orderedAt(state, shard, nowMs);
  return { reason: `${by} took ${address} offline: ${reason}`, by, operation, at };
}

export function named(vdisks: readonly string[]): string {
  const more = vdisks.length > namedMax ? ` and ${vdisks.length - namedMax} more` : '';
  return `vdisk${vdisks.length === 1 ? '' : 's'} ${vdisks.slice(0, namedMax).join(', ')}${more}`;
}
