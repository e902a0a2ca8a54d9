/** A lost engine for which there is no spare: the blocks of its pair go to the other pairs, and the pair is given up. */
import { stateOfStatus } from '../cluster-storage.ts';
import type { ClusterState, PartnerState } from './cluster-state.ts';
import { type Cause, closeIncident, cut, lastMovedAt, moveEngine, retireEngine } from './engine-move.ts';
import { incidentOf, isDecision } from './engine-place.ts';
import {
  already,
  applied,
  type EngineStatusDecision,
  refused,
  type SpreadWanted,
} from './engine-status-decision.ts';
import { freeSpare } from './engine-verdict.ts';
import type { HealingEvent } from './healing-events.ts';
import { heldBack } from './held-back.ts';
import { dropKeptSpare } from './kept-spare.ts';
import type { ClosedIncident, IncidentRecord } from './records.ts';

export function decideSpread(state: ClusterState, input: SpreadWanted, nowMs: number): EngineStatusDecision {
  const incident = incidentOf(state, input);
  if (isDecision(incident)) return incident;
  const { shard, verdict, address } = incident;
  if (incident.status === 'repair-final-outage')
    return already(`the blocks of ${address} are being rebuilt in incident ${incident.id}`, incident);
  if (incident.status !== 'offline' || verdict?.verdict !== 'permanent')
    return refused('not-lost', `incident ${incident.id} is not judged permanent`, shard);
  const held = heldBack(state, incident, 'permanent', nowMs);
  if (held !== undefined) return held;
  const spare = freeSpare(state, shard);
  if (spare !== undefined) {
    const reason = `${spare.address} is a spare of ${state.cluster}: ${address} is rebuilt on it`;
    return refused('spare-available', reason, shard);
  }
  const dueAt = verdict.at + input.afterMs;
  if (nowMs < dueAt) {
    const reason = `${state.cluster} has no spare; one is waited for until ${dueAt}, then the blocks of shard ${shard} are spread`;
    return refused('too-early', reason, shard);
  }
  const at = Math.max(nowMs, lastMovedAt(state, shard) ?? incident.openedAt);
  const cause = { by: input.by, operation: input.operation, at };
  const hindrance = hindranceOf(state, shard) ?? input.hindrance;
  if (hindrance !== null) return hinder(state, incident, hindrance, cause);
  const { partner } = state;
  const { address: survivor = '', db = 0 } = partner?.storage.servers[shard] ?? {};
  const left = dropKeptSpare(state, incident, at);
  const { waitsFor: _waits, ...begun } = left.incident;
  const why = {
    ...cause,
    reason: `${state.cluster} has no spare: the blocks of shard ${shard} go from ${survivor} to the other pairs`,
  };
  const moved = moveEngine(
    { state: left.state, events: [] },
    {
      shard,
      to: 'repair-final-outage',
      cause: why,
      incident: {
        ...begun,
        rebuildBegun: true,
        repairKind: 'spread',
        survivor: { cluster: partner?.cluster ?? '', address: survivor, db },
      },
    },
  );
  return applied(moved, shard, why);
}

/** What keeps the blocks of a shard from being spread, as far as the engines tell; null when nothing does. */
function hindranceOf(state: ClusterState, shard: number): string | null {
  const { cluster, storage, record, partner } = state;
  const survivor = partner?.storage.servers[shard];
  if (partner === undefined)
    return `${cluster} has no slave cluster: no second copy of the blocks of shard ${shard} is left; only the engine itself, back with its data, can bring them back`;
  if (survivor === undefined)
    return `${partner.cluster} has no shard ${shard}: there is no pair whose blocks could be spread`;
  if (survivor.status !== 'online')
    return `its partner ${survivor.address} is ${survivor.status}: nobody holds every block of shard ${shard}`;
  const primary = record.role === 'slave' ? partner.storage.servers : storage.servers;
  const others = [...primary.keys()].filter((other) => other !== shard && !isGivenUp(state, other));
  if (others.length === 0)
    return `shard ${shard} is the last pair: there is no other to spread its blocks over`;
  const spreading = others.find((other) => isSpreading(state, other));
  if (spreading !== undefined)
    return `the blocks of shard ${spreading} are being spread; those of shard ${shard} follow`;
  const statuses = (other: number) => [
    storage.servers[other]?.status,
    partner.storage.servers[other]?.status,
  ];
  const dark = others.find((other) => !statuses(other).includes('online'));
  if (dark !== undefined)
    return `pair ${dark} has no live member: blocks that belong there have nowhere to go`;
  if (others.some((other) => statuses(other).every((status) => status === 'online'))) return null;
  return 'no other pair has both members: the blocks would still be on one engine only';
}

function isGivenUp({ storage, partner }: ClusterState, shard: number): boolean {
  return [storage, partner?.storage].some((known) => known?.servers[shard]?.status === 'rip');
}

function isSpreading({ storage, partner }: ClusterState, shard: number): boolean {
  return [storage, partner?.storage].some((known) => {
    const entry = known?.servers[shard];
    return entry?.status === 'repair-final-outage' && entry.replacement === undefined;
  });
}

/** The incident says what is in the way; whoever asks again with the same hindrance changes nothing. */
function hinder(
  state: ClusterState,
  incident: IncidentRecord,
  hindrance: string,
  cause: Omit<Cause, 'reason'>,
): EngineStatusDecision {
  const { shard } = incident;
  const waitsFor = cut(
    `${state.cluster} has no spare left, add one to rebuild it; its blocks are not spread: ${hindrance}`,
  );
  const reason = `${incident.address} stays offline: ${waitsFor}`;
  if (incident.waitsFor === waitsFor) return { ...already(reason, incident), code: 'spread-hindered' };
  const incidents = new Map(state.incidents).set(shard, { ...incident, waitsFor });
  return applied(
    { state: { ...state, incidents }, events: [] },
    shard,
    { ...cause, reason },
    'spread-hindered',
  );
}

/**
 * The member that was left of a pair whose blocks are all elsewhere goes with the other one, whatever its status is: if it
 * failed meanwhile, its incident ends too.
 */
export function ripPartner(
  partner: PartnerState | undefined,
  { id, shard, attempt }: IncidentRecord,
  cause: Cause,
): { partner?: PartnerState; closed?: ClosedIncident; events: HealingEvent[] } {
  const entry = partner?.storage.servers[shard];
  if (partner === undefined || entry === undefined || entry.status === 'rip') return { events: [] };
  const { replacement, ...alone } = entry;
  const servers = partner.storage.servers.with(shard, { ...alone, status: 'rip', state: stateOfStatus.rip });
  const open = partner.incidents?.get(shard);
  const closed =
    open === undefined ? undefined : closeIncident(open, { to: 'rip', outcome: 'spread' }, cause);
  const incidents = new Map(partner.incidents);
  incidents.delete(shard);
  const { record } = partner;
  const left =
    record === undefined || replacement === undefined
      ? record
      : retireEngine(record, replacement, id, cause.at);
  const event: HealingEvent = {
    type: 'engine.status-changed',
    payload: {
      ...{ cluster: partner.cluster, shard, address: entry.address, from: entry.status, to: 'rip' },
      ...{ incident: open?.id ?? id, attempt: open?.attempt ?? attempt },
      ...{ reason: cut(cause.reason), by: cause.by, operation: cause.operation, at: cause.at },
    },
  };
  return {
    partner: {
      ...partner,
      storage: { ...partner.storage, servers },
      incidents,
      ...(left === undefined ? {} : { record: left }),
    },
    ...(closed === undefined ? {} : { closed }),
    events: [event],
  };
}
