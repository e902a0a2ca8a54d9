/** What the configuration is to be once both members of pairs are gone for good. Pure. */
import type { ServerEntry } from '../cluster-storage.ts';
import type { ClusterState } from '../healing/cluster-state.ts';
import { type Cause, lastMovedAt, moveEngine, retireEngine } from '../healing/engine-move.ts';
import { freeSpare } from '../healing/engine-verdict.ts';
import type { HealingEvent } from '../healing/healing-events.ts';
import type { ClosedIncident, IncidentRecord } from '../healing/records.ts';
import { servedLast } from '../healing/served-last.ts';
import { type LostMember, type LostPair, recoveryPairsMax } from './recovery-record.ts';

/** Both sides of the pairs, each as a state of its own; `slave` is null where there is no partner. */
export interface PairedClusters {
  readonly primary: ClusterState;
  readonly slave: ClusterState | null;
}

export function pairedClusters(state: ClusterState): PairedClusters {
  const { partner, ...primary } = state;
  if (partner?.record === undefined) return { primary, slave: null };
  const { cluster, storage, record, incidents = new Map(), recorded } = partner;
  const slave = {
    ...{ cluster, storage, record, incidents },
    ...(recorded === undefined ? {} : { recorded }),
  };
  return { primary, slave };
}

/**
 * The shards none of whose members is left. An outage counts as final when it was judged permanent and nobody holds it;
 * with `ordered`, when the engine is down at all: an operator says that it will not come back.
 */
export function lostShards(
  clusters: PairedClusters,
  { ordered }: { readonly ordered: boolean },
): { readonly shards: readonly number[]; readonly waitFor: readonly string[] } {
  const shards: number[] = [];
  const waitFor: string[] = [];
  for (const shard of clusters.primary.storage.servers.keys()) {
    const members = membersOf(clusters, shard);
    if (members.some(({ entry }) => entry.status === 'online' || entry.status === 'rip')) continue;
    if (survivorOf(members, ordered) !== null) {
      shards.push(shard);
      continue;
    }
    const why = members.flatMap((member) => notFinal(member, ordered) ?? []);
    if (why.length === 0) shards.push(shard);
    else waitFor.push(`pair ${shard}: ${why.join(' and ')}`);
  }
  return { shards: shards.slice(0, recoveryPairsMax), waitFor };
}

/** How each of the lost pairs comes to be served again. What is in the way is said, not thrown. */
export function planPairs(clusters: PairedClusters, shards: readonly number[]): LostPair[] {
  const taken = new Set<string>();
  const withSpares = shards.map((shard) => withSurvivor(clusters, shard) ?? spareOut(clusters, shard, taken));
  const rip = withSpares.filter(({ way }) => way === 'none').map(({ shard }) => shard);
  if (rip.length === 0) return withSpares;
  const hindrance = ripHindrance(clusters, shards, rip);
  return withSpares.map((pair): LostPair => {
    if (pair.way !== 'none') return pair;
    const { waitsFor: needed = '', ...rest } = pair;
    const members = pair.members.map(({ replacement: _, ...member }) => member);
    if (hindrance === null) return { ...rest, members, way: 'rip' };
    return { ...rest, members, way: 'none', waitsFor: `${needed}: ${hindrance}` };
  });
}

/** The clusters with the lost engines replaced, or their pairs given up, and the incidents that end with that. */
export function withoutLostEngines(
  clusters: PairedClusters,
  pairs: readonly LostPair[],
  cause: Omit<Cause, 'reason'>,
): {
  readonly clusters: PairedClusters;
  readonly closed: readonly ClosedIncident[];
  readonly events: readonly HealingEvent[];
} {
  let { primary, slave } = clusters;
  const closed: ClosedIncident[] = [];
  const events: HealingEvent[] = [];
  for (const pair of pairs) {
    const moved = pair.way === 'survivor' ? [] : pair.members;
    for (const member of pair.survivor === undefined ? moved : [pair.survivor]) {
      const side = member.role === 'primary' ? primary : slave;
      if (side === null) continue;
      const step =
        pair.way === 'survivor' ? takeBack(side, pair.shard, cause) : takeOut(side, pair, member, cause);
      if (member.role === 'primary') primary = step.state;
      else slave = step.state;
      closed.push(...step.closed);
      events.push(...step.events);
    }
  }
  return { clusters: { primary, slave }, closed, events };
}

interface Member {
  readonly side: ClusterState;
  readonly role: 'primary' | 'slave';
  readonly entry: ServerEntry;
  readonly incident: IncidentRecord | undefined;
}

function membersOf({ primary, slave }: PairedClusters, shard: number): Member[] {
  const of = (side: ClusterState | null, role: Member['role']): Member[] => {
    const entry = side?.storage.servers[shard];
    return side === null || entry === undefined
      ? []
      : [{ side, role, entry, incident: side.incidents.get(shard) }];
  };
  return [...of(primary, 'primary'), ...of(slave, 'slave')];
}

function notFinal({ entry, incident }: Member, ordered: boolean): string | null {
  const { address, status } = entry;
  if (incident === undefined || incident.status !== status)
    return `${address} is ${status} without an incident that says so; report its failure first`;
  if (status === 'repair-tmp-outage') return `${address} is back, and is being repaired`;
  if (ordered) return null;
  if (incident.hold !== undefined) return `${address} is held offline (${incident.hold.kind})`;
  return incident.verdict?.verdict === 'permanent' ? null : `${address} is not judged permanent`;
}

/**
 * The member of a pair that is back with its data, and lacks what its partner took alone, which will not come back. One that
 * served last lacks nothing: it is brought back like any other.
 */
function survivorOf(members: readonly Member[], ordered: boolean): Member | null {
  const back = members.find(({ entry }) => entry.status === 'repair-tmp-outage');
  const gone = members.find((member) => member !== back);
  if (back?.incident === undefined || gone === undefined || notFinal(gone, ordered) !== null) return null;
  const { cluster, storage, record, incidents, recorded } = gone.side;
  const partner = { cluster, storage, record, incidents, ...(recorded === undefined ? {} : { recorded }) };
  return servedLast({ ...back.side, partner }, back.incident.shard) === 'no' ? back : null;
}

function withSurvivor(clusters: PairedClusters, shard: number): LostPair | null {
  const members = membersOf(clusters, shard);
  const survivor = survivorOf(members, true);
  if (survivor === null) return null;
  const told = ({ side, role, entry, incident }: Member): LostMember => {
    const { address, db, generation } = entry;
    return { cluster: side.cluster, role, address, db, generation, incident: incident?.id ?? 'none' };
  };
  const lost = members.filter((member) => member !== survivor).map(told);
  return { shard, way: 'survivor', members: lost, survivor: told(survivor), applied: false };
}

/** It serves from now on: what it lacks comes from the log before anybody else may mount a vdisk that lacks it. */
function takeBack(
  side: ClusterState,
  shard: number,
  { by, operation, at: now }: Omit<Cause, 'reason'>,
): { state: ClusterState; closed: ClosedIncident[]; events: readonly HealingEvent[] } {
  const incident = side.incidents.get(shard);
  if (incident === undefined) throw new Error(`shard ${shard} of ${side.cluster} has no incident any more`);
  const at = Math.max(now, lastMovedAt(side, shard) ?? incident.openedAt);
  const reason = `its partner is gone for good: what was written without ${incident.address} comes back from the log`;
  const { state, events, closed } = moveEngine(
    { state: side, events: [] },
    { shard, to: 'online', cause: { reason, by, operation, at }, incident, outcome: 'recovered' },
  );
  return { state, closed: closed === undefined ? [] : [closed], events };
}

/** An engine that a rebuild has begun to fill is emptied and used before any other spare. */
function spareOut(clusters: PairedClusters, shard: number, taken: Set<string>): LostPair {
  const missing: string[] = [];
  const members = membersOf(clusters, shard).map(({ side, role, entry, incident }): LostMember => {
    const { address, db, generation, replacement: begun } = entry;
    const lost = { cluster: side.cluster, role, address, db, generation, incident: incident?.id ?? 'none' };
    const spares = side.record.spares.filter((one) => !taken.has(`${side.cluster}/${one.address}`));
    const spare = begun ?? freeSpare({ ...side, record: { ...side.record, spares } }, shard);
    if (spare === undefined) {
      missing.push(`cluster ${side.cluster} has no spare for ${address}`);
      return lost;
    }
    taken.add(`${side.cluster}/${spare.address}`);
    const next = Math.max(generation, incident?.lastGeneration ?? 0) + 1;
    return { ...lost, replacement: { address: spare.address, db: spare.db, generation: next } };
  });
  if (missing.length === 0) return { shard, way: 'spares', members, applied: false };
  for (const { cluster, replacement } of members) {
    if (replacement !== undefined) taken.delete(`${cluster}/${replacement.address}`);
  }
  return { shard, way: 'none', waitsFor: missing.join(', '), members, applied: false };
}

/** Why the lost pairs cannot be given up, as a sentence; null when the other pairs can take their blocks. */
function ripHindrance(
  clusters: PairedClusters,
  lost: readonly number[],
  rip: readonly number[],
): string | null {
  const others = [...clusters.primary.storage.servers.keys()].filter(
    (shard) =>
      !rip.includes(shard) && !membersOf(clusters, shard).some(({ entry }) => entry.status === 'rip'),
  );
  if (others.length === 0) return 'no pair is left that could take its blocks: engines must be added';
  const statuses = (shard: number) => membersOf(clusters, shard).map(({ entry }) => entry);
  const spreading = others.find((shard) =>
    statuses(shard).some(
      (entry) => entry.status === 'repair-final-outage' && entry.replacement === undefined,
    ),
  );
  if (spreading !== undefined)
    return `the blocks of pair ${spreading} are being spread; wait for the end of that`;
  const dark = others.find(
    (shard) => !lost.includes(shard) && statuses(shard).every(({ status }) => status !== 'online'),
  );
  if (dark !== undefined)
    return `pair ${dark} has no live member: blocks that belong there have nowhere to go`;
  const whole = others.some(
    (shard) => lost.includes(shard) || statuses(shard).every(({ status }) => status === 'online'),
  );
  return whole ? null : 'no other pair has both members: the blocks would be on one engine only';
}

/** Along the moves that there are: to `repair-final-outage`, and from there to its end. */
function takeOut(
  side: ClusterState,
  { shard, way }: LostPair,
  { replacement, incident: id }: LostMember,
  { by, operation, at: now }: Omit<Cause, 'reason'>,
): { state: ClusterState; closed: ClosedIncident[]; events: readonly HealingEvent[] } {
  const incident = side.incidents.get(shard);
  const entry = side.storage.servers[shard];
  if (incident === undefined || entry === undefined || incident.id !== id)
    throw new Error(`shard ${shard} of ${side.cluster} is not in incident ${id} any more`);
  const at = Math.max(now, lastMovedAt(side, shard) ?? incident.openedAt);
  const why = `both members of pair ${shard} are gone for good`;
  const { replacement: begun, ...alone } = entry;
  const { replacement: _, waitsFor: _waits, survivor: _survivor, ...rest } = incident;
  const open: IncidentRecord = {
    ...rest,
    rebuildBegun: true,
    ...(way === 'spares' && replacement !== undefined
      ? { repairKind: 'spare', replacement, lastGeneration: replacement.generation }
      : {}),
  };
  const first =
    incident.status === 'offline'
      ? moveEngine(
          { state: side, events: [] },
          { shard, to: 'repair-final-outage', cause: { reason: why, by, operation, at }, incident: open },
        )
      : { state: side, events: [] };
  const isRip = way === 'rip' || replacement === undefined;
  const reason = isRip
    ? `${why}: its blocks come back from the log onto the other pairs`
    : `${why}: its blocks come back from the log onto ${replacement.address}`;
  const current = { ...open, history: first.state.incidents.get(shard)?.history ?? open.history };
  const { state, events, closed } = moveEngine(first, {
    shard,
    to: isRip ? 'rip' : 'online',
    cause: { reason, by, operation, at },
    incident: current,
    entry: isRip ? alone : { ...alone, ...replacement },
    outcome: 'recovered',
  });
  const { [shard]: _forgotten, ...failures } = state.record.failures ?? {};
  const spares = state.record.spares.filter(({ address }) => address !== replacement?.address);
  let record = retireEngine({ ...state.record, failures, spares }, entry, id, at);
  if (begun !== undefined && begun.address !== replacement?.address)
    record = retireEngine(record, begun, id, at);
  return { state: { ...state, record }, closed: closed === undefined ? [] : [closed], events };
}
