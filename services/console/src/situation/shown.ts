/** From what services answer to what the page shows: only what it needs, and bounded. */
import type {
  CommandShapes,
  IncidentDescription,
  PlanRunDescription,
  PlanSummary,
  VdiskSummary,
  VolumeDescription,
} from '@salvor/contracts';
import { incidentStory } from '@salvor/story';
import type {
  Progress,
  Sample,
  ShownPlan,
  ShownRun,
  ShownVdisks,
  ShownVolume,
  ToldIncident,
} from '../page/state.ts';

const VDISKS_MAX = 1_000;
const CLOSED_INCIDENTS_MAX = 12;
const OPEN_INCIDENTS_MAX = 100;
const HAPPENINGS_MAX = 60;
const STEPS_MAX = 100;
const MEMBERS_MAX = 100;

/** The open ones, then those that ended last. */
export function toldIncidents(incidents: readonly IncidentDescription[], now: number): ToldIncident[] {
  const latestFirst = [...incidents].sort((a, b) => b.openedAt - a.openedAt);
  const open = latestFirst.filter(({ closedAt }) => closedAt === undefined).slice(0, OPEN_INCIDENTS_MAX);
  const closed = latestFirst
    .filter(({ closedAt }) => closedAt !== undefined)
    .sort((a, b) => (b.closedAt ?? 0) - (a.closedAt ?? 0))
    .slice(0, CLOSED_INCIDENTS_MAX);
  return [...open, ...closed].map((incident) => told(incident, now));
}

function told(incident: IncidentDescription, now: number): ToldIncident {
  const { heading, happenings, ending } = incidentStory(incident, now);
  const acknowledged = incident.actions.find(({ action }) => action === 'incident.acknowledge');
  return {
    incident: incident.incident,
    cluster: incident.cluster,
    shard: incident.shard,
    address: incident.address,
    status: incident.status,
    attempt: incident.attempt,
    openedAt: incident.openedAt,
    closedAt: incident.closedAt ?? null,
    outcome: incident.outcome ?? null,
    unavailable: incident.unavailable,
    held: incident.hold !== undefined,
    acknowledgedBy: acknowledged?.by ?? null,
    heading: heading[0] ?? '',
    happenings: happenings.slice(-HAPPENINGS_MAX),
    ending,
  };
}

/** Those that nobody can read from first. */
export function shownVdisks(vdisks: readonly VdiskSummary[]): ShownVdisks {
  return { total: vdisks.length, shown: vdisks.slice(0, VDISKS_MAX) };
}

export function shownVolume(
  volume: VolumeDescription,
  lagMs: readonly Sample[],
  copying: Progress | null,
): ShownVolume {
  const {
    volume: id,
    zone,
    vdisk,
    role,
    status,
    conditions,
    phase,
    reason,
    generation,
    mode,
    changedAt,
  } = volume;
  return {
    ...{ volume: id, zone, vdisk, role, status, conditions, phase, reason, generation, mode, changedAt },
    isSplit: volume.phase === 'split',
    peer: volume.peer ?? null,
    peerSeenAt: volume.peerSeenAt ?? null,
    lag: volume.lag ?? null,
    lagMs,
    copy:
      volume.copy === undefined || volume.copy.endedAt !== undefined || copying === null
        ? null
        : { way: volume.copy.way, progress: copying },
  };
}

/** `status` is what both zones were last known to have of it. */
export function shownPlan(
  plan: PlanSummary,
  status: CommandShapes['plan.status']['reply'] | undefined,
): ShownPlan {
  return {
    ...plan,
    members: status?.members.slice(0, MEMBERS_MAX) ?? null,
    otherReason: status?.otherReason ?? '',
    latest: status?.latest === undefined ? null : shownRun(status.latest),
  };
}

function shownRun(latest: PlanRunDescription): ShownRun {
  const { run, kind, status, direction, reason, source, target, beganAt, steps } = latest;
  return {
    ...{ run, kind, status, direction, reason, source, target, beganAt },
    steps: steps.slice(0, STEPS_MAX),
    endedAt: latest.endedAt ?? null,
    lostWrites: latest.rpoWrites ?? null,
    lostMs: latest.rpoMs ?? null,
    servedAfterMs: latest.rtoMs ?? null,
  };
}
