/** What the engines say against the plan, and what becomes of it: who could not be asked, who is stale, who is somebody else. Pure. */
import { writes } from './decide-key.ts';
import { decideStale, type StaleEngine } from './decide-stale.ts';
import { identityIn } from './engine-identity.ts';
import { type GroupsOfKeys, type PlannedPair, type PlannedPlace, plannedEngines } from './planned-engines.ts';
import type { EngineTrace } from './tier1-sources.ts';

export interface EnginesDecision {
  /** Online by the plan, and not asked: each may hold the only current blocks of its pair. */
  readonly unreachable: readonly string[];
  /** To be written offline. */
  readonly stale: readonly StaleEngine[];
  readonly doubts: readonly string[];
}

/** @param since as in `RecoveryAsked` */
export function decideEngines(
  groups: GroupsOfKeys,
  engines: readonly EngineTrace[],
  since: number | null,
): EnginesDecision {
  const planned = plannedEngines(groups, engines, since);
  const isOnline = ({ cluster, shard, address, db }: EngineTrace): boolean =>
    shard !== null &&
    planned.places.some(
      ({ entry, ...at }) =>
        at.cluster === cluster && entry.address === address && entry.db === db && entry.status === 'online',
    );
  // What a recovery had written before it was killed is written no less.
  const isWritten =
    since !== null ||
    groups.some(({ kind, keys }) => (kind === 'cluster' || kind === 'vdisk') && keys.some(writes));
  const silent = engines.filter(({ trouble }) => trouble !== null);
  const stale = decideStale(planned, isWritten);
  return {
    unreachable: isWritten ? silent.filter(isOnline).map(({ address }) => address) : [],
    stale,
    doubts: [
      ...silent.map(silentDoubt),
      ...engines.filter(({ trouble, isComplete }) => trouble === null && !isComplete).map(moreDoubt),
      ...engines.flatMap((trace) => spareDoubt(trace, planned.places)),
      ...stale.map(staleDoubt),
      ...planned.pairs.flatMap(bothBadDoubt),
    ],
  };
}

function silentDoubt({ address, trouble, cluster, shard }: EngineTrace): string {
  const where = shard === null ? `a spare of cluster ${cluster}` : `cluster ${cluster}, shard ${shard}`;
  return `engine ${address} (${where}) could not be asked who wrote to it (${trouble}): it may hold the only current blocks of its pair, and be of an owner with a higher epoch`;
}

function moreDoubt({ address }: EngineTrace): string {
  return `engine ${address} has more keys than were looked at: it may hold vdisks that are not named here`;
}

/** A spare that took a place over behind the configuration says so. */
function spareDoubt({ address, identity, shard }: EngineTrace, places: readonly PlannedPlace[]): string[] {
  const found = shard !== null || identity === null ? null : identityIn(identity);
  const place = places.find((one) => one.cluster === found?.cluster && one.shard === found.shard);
  if (found === null || place === undefined) return [];
  const { replacement, generation } = place.entry;
  if (replacement?.address === address || found.generation <= generation) return [];
  return [
    `engine ${address} says it is shard ${found.shard} of cluster ${found.cluster}, generation ${found.generation}, and the configuration has it as a spare: it took the place of ${place.entry.address} since. It is not among the spares any more; whether it had all blocks by then nobody can tell`,
  ];
}

function staleDoubt({ cluster, shard, entry, kind, why, isHeld }: StaleEngine): string {
  const has = kind === 'proven' ? 'does not have the current blocks' : 'may not have the current blocks';
  const then = isHeld
    ? `nobody can tell which engine of its pair has all of them, so it stays so until 'salvor engine online'`
    : 'once healing is resumed it is repaired from its partner';
  return `cluster ${cluster}, shard ${shard}: ${entry.address} ${has}, and is offline: ${why}; ${then}`;
}

function bothBadDoubt({ primary, slave }: PlannedPair): string[] {
  const isBad = ({ entry, taken }: PlannedPlace): boolean => entry.status !== 'online' || taken !== null;
  if (!isBad(primary) || !isBad(slave)) return [];
  const [one, other] = [primary, slave].map(
    ({ entry: { address, status }, taken }) => `${address} is ${taken?.status ?? status}`,
  );
  return [
    `pair ${primary.shard} of clusters ${primary.cluster} and ${slave.cluster}: ${one} and ${other}: compare 'salvor incident show' of both with what you know before you resume healing`,
  ];
}
