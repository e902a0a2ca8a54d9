/** Which engines must not be served from, though all keys have them online: their partners, or they themselves, say so. Pure. */
import type { ServerEntry } from '@salvor/config-store';
import { decideLevelling, type FoundHistory } from '@salvor/vdisk';
import { identityIn, isInPlace } from './engine-identity.ts';
import type { PlannedEngines, PlannedPair, PlannedPlace } from './planned-engines.ts';
import type { EngineTrace } from './tier1-sources.ts';

/**
 * `proven`: it misses what its partner has, or is of another place. `unproven`: it may, and who would know does not answer.
 */
export interface StaleEngine extends PlannedPlace {
  readonly kind: 'proven' | 'unproven';
  /** A sentence. */
  readonly why: string;
  /** Nobody can say which member of the pair is the current one: an operator has to. */
  readonly isHeld: boolean;
  /** Its place was given to another engine, by which it can not tell any more what it missed. */
  readonly rebuildBegun: boolean;
  /** The highest generation that any engine has of this place. */
  readonly lastGeneration: number;
}

const NOTHING: FoundHistory = {
  head: { seq: 0, fork: null, ringFloor: 0 },
  isMarked: false,
  isUnderCopy: false,
};

/** @param isWritten engines that are only silent are taken for possibly stale only where their clusters or vdisks were lost */
export function decideStale(planned: PlannedEngines, isWritten: boolean): StaleEngine[] {
  const found = new Map<string, StaleEngine>();
  const note = (place: PlannedPlace, more: Omit<StaleEngine, keyof PlannedPlace>): void => {
    const id = placeId(place);
    if (place.entry.status !== 'online') return;
    const before = found.get(id);
    found.set(id, before === undefined ? { ...place, ...more } : worse(before, more));
  };
  for (const place of planned.places) {
    const moved = movedAway(planned, place);
    if (moved !== null) note(place, moved);
  }
  for (const pair of planned.pairs) {
    for (const { behind, why } of staleMembers(pair)) {
      const place = behind === 0 ? pair.primary : pair.slave;
      note(place, provenOf(place, why));
    }
    for (const [place, partner, trace] of bothWays(pair))
      for (const taker of takersOf(planned.traces, place)) {
        const why = behindTaker(pair.vdisks, taker, trace);
        // Whoever took the place over may not be whole itself: nobody is filled from it, or goes on without it, unasked.
        if (why !== null) note(partner, { ...provenOf(partner, why), isHeld: true });
      }
    if (isWritten) for (const { place, why, isHeld } of unproven(pair)) note(place, lost(place, why, isHeld));
  }
  // Of a pair of which each member lacks something, neither can be made whole from the other by itself.
  for (const { primary, slave } of planned.pairs) {
    const [one, other] = [found.get(placeId(primary)), found.get(placeId(slave))];
    if (one === undefined || other === undefined) continue;
    for (const stale of [one, other]) found.set(placeId(stale), { ...stale, isHeld: true });
  }
  return [...found.values()];
}

function worse(before: StaleEngine, more: Omit<StaleEngine, keyof PlannedPlace>): StaleEngine {
  const isFirst = before.kind === 'proven' || more.kind === 'unproven';
  return {
    ...before,
    ...(isFirst ? {} : { kind: more.kind, why: more.why }),
    isHeld: before.isHeld || more.isHeld,
    rebuildBegun: before.rebuildBegun || more.rebuildBegun,
    lastGeneration: Math.max(before.lastGeneration, more.lastGeneration),
  };
}

function lost({ entry }: PlannedPlace, why: string, isHeld: boolean): Omit<StaleEngine, keyof PlannedPlace> {
  return { kind: 'unproven', why, isHeld, rebuildBegun: false, lastGeneration: entry.generation };
}

function provenOf({ entry }: PlannedPlace, why: string): Omit<StaleEngine, keyof PlannedPlace> {
  return {
    ...{ kind: 'proven', why, isHeld: false, rebuildBegun: false },
    lastGeneration: entry.generation,
  };
}

/** The engine says it is somebody else, or another one says that it took this place later. */
function movedAway(
  { traces }: PlannedEngines,
  place: PlannedPlace,
): Omit<StaleEngine, keyof PlannedPlace> | null {
  const { cluster, shard, entry } = place;
  const others = claimantsOf(traces, place);
  const last = others.reduce((most, { generation }) => Math.max(most, generation), entry.generation);
  const later = others.find(
    ({ trace, generation }) => generation > entry.generation && !isAt(trace, entry) && !isSpare(trace, entry),
  );
  const own = traces.find((trace) => isAt(trace, entry));
  const found = own?.identity == null ? null : identityIn(own.identity);
  const why =
    found !== null && !isInPlace(found, place)
      ? `it says it is shard ${found.shard} of cluster ${found.cluster}, generation ${found.generation}, and its place is shard ${shard} of cluster ${cluster}, generation ${entry.generation}`
      : later !== undefined
        ? `engine ${later.trace.address} says it is generation ${later.generation} of its place: it took that over since`
        : null;
  if (why === null) return null;
  return { kind: 'proven', why, isHeld: false, rebuildBegun: true, lastGeneration: last };
}

interface Claimant {
  readonly trace: EngineTrace;
  readonly generation: number;
}

/** Engines that say they have this place, whoever has it by the plan. */
function claimantsOf(traces: readonly EngineTrace[], { cluster, shard }: PlannedPlace): Claimant[] {
  return traces.flatMap((trace) => {
    const found = trace.identity === null ? null : identityIn(trace.identity);
    return found?.cluster === cluster && found.shard === shard
      ? [{ trace, generation: found.generation }]
      : [];
  });
}

/** Of those the ones that came later than the engine that has it by the plan. They served with its partner, or alone. */
function takersOf(traces: readonly EngineTrace[], place: PlannedPlace): EngineTrace[] {
  return claimantsOf(traces, place).flatMap(({ trace, generation }) =>
    generation > place.entry.generation && !isAt(trace, place.entry) ? [trace] : [],
  );
}

/** What the partner of a place misses of what whoever took that place over has; null: nothing that is known of. */
function behindTaker(
  vdisks: readonly string[],
  taker: EngineTrace,
  partner: EngineTrace | undefined,
): string | null {
  if (partner === undefined || partner.trouble !== null) {
    const alone = servedAlone(taker, vdisks);
    if (alone === null) return null;
    return `${taker.address}, which took the place of its partner, took writes of vdisk ${alone} alone, and it could not be asked which it has`;
  }
  const vdisk = vdisks.find((one) => staleOf(one, taker, partner) === 1);
  if (vdisk === undefined) return null;
  const [own, other] = [partner, taker].map(({ histories }) => historyText(histories?.get(vdisk)));
  return `of vdisk ${vdisk} it is at ${own}, and ${taker.address}, which took the place of its partner, is at ${other}`;
}

/** Each place of a pair, with its partner and what was heard from that. */
function bothWays({
  primary,
  slave,
  traces: [a, b],
}: PlannedPair): [PlannedPlace, PlannedPlace, EngineTrace | undefined][] {
  return [
    [primary, slave, b],
    [slave, primary, a],
  ];
}

function isAt(trace: EngineTrace, { address, db }: Pick<ServerEntry, 'address' | 'db'>): boolean {
  return trace.address === address && trace.db === db;
}

/** The one that is being filled for it by the plan. */
function isSpare(trace: EngineTrace, { replacement }: ServerEntry): boolean {
  return replacement !== undefined && isAt(trace, replacement);
}

interface Behind {
  readonly behind: 0 | 1;
  readonly why: string;
}

/** By the write histories of every vdisk on the pair. */
function staleMembers(pair: PlannedPair): Behind[] {
  const { primary, slave, traces, vdisks } = pair;
  const members = [primary, slave] as const;
  const [a, b] = traces;
  if (a === undefined || b === undefined) return [];
  const isSilent = [a.trouble !== null, b.trouble !== null];
  if (isSilent[0] === true && isSilent[1] === true) return [];
  const silent = isSilent[0] === true ? 0 : isSilent[1] === true ? 1 : null;
  if (silent !== null) {
    const alone = servedAlone(silent === 0 ? b : a, vdisks);
    const other = members[silent === 0 ? 1 : 0].entry.address;
    return alone === null
      ? []
      : [
          {
            behind: silent,
            why: `${other} took writes of vdisk ${alone} alone, and it could not be asked which it has`,
          },
        ];
  }
  return vdisks.flatMap((vdisk) => {
    const behind = staleOf(vdisk, a, b);
    if (behind === null || isGivenUp(members[behind], members[behind === 0 ? 1 : 0])) return [];
    const [own, other] = behind === 0 ? [a, b] : [b, a];
    const to = (trace: EngineTrace): string => historyText(trace.histories?.get(vdisk));
    const why = `of vdisk ${vdisk} it is at ${to(own)}, and ${other.address} is at ${to(other)}`;
    return [{ behind, why }];
  });
}

/** An operator brought the one back without what only the other one has: that it is behind says no more than that. */
function isGivenUp(behind: PlannedPlace, ahead: PlannedPlace): boolean {
  return behind.entry.acceptedLoss !== undefined && ahead.entry.status !== 'online';
}

function historyText({ head, isMarked }: FoundHistory = NOTHING): string {
  const alone =
    head.fork !== null
      ? `, alone behind ${head.fork}`
      : isMarked
        ? ', with marks of what the other misses'
        : '';
  return `batch ${head.seq}${alone}`;
}

/** The member that misses writes of a vdisk. Owners may be writing: what counts is true whenever the two were looked at. */
function staleOf(vdisk: string, a: EngineTrace, b: EngineTrace): 0 | 1 | null {
  const at = (trace: EngineTrace): FoundHistory => trace.histories?.get(vdisk) ?? NOTHING;
  const later = (trace: EngineTrace): FoundHistory =>
    trace.later === undefined ? at(trace) : (trace.later.get(vdisk) ?? NOTHING);
  const epochs = [a.epochs.get(vdisk) ?? 0n, b.epochs.get(vdisk) ?? 0n] as const;
  const one = behindOf(at(a), later(b), epochs);
  return one === behindOf(later(a), at(b), epochs) ? one : null;
}

function behindOf(a: FoundHistory, b: FoundHistory, epochs: readonly [bigint, bigint]): 0 | 1 | null {
  const levelling = decideLevelling(a, b);
  switch (levelling.kind) {
    case 'level':
      return null;
    case 'left-alone':
      return levelling.survivor === 0 ? 1 : 0;
    case 'tail-lost':
      return levelling.behind;
    case 'copy-last-batch': {
      // The last batch of an owner that the other member never heard of: that one was recorded as stale then.
      const { from } = levelling;
      return epochs[from] > epochs[from === 0 ? 1 : 0] ? (from === 0 ? 1 : 0) : null;
    }
  }
}

/** A vdisk that an engine served without its partner, null when there is none. */
function servedAlone({ histories }: EngineTrace, vdisks: readonly string[]): string | null {
  return (
    vdisks.find((vdisk) => {
      const found = histories?.get(vdisk);
      return found !== undefined && (found.head.fork !== null || found.isMarked);
    }) ?? null
  );
}

/** Members that are online by the plan, and whose partner, online as well, would have to say whether they are current. */
function unproven({
  primary,
  slave,
  traces,
  vdisks,
}: PlannedPair): { place: PlannedPlace; why: string; isHeld: boolean }[] {
  const [a, b] = traces;
  if (a === undefined || b === undefined || vdisks.length === 0) return [];
  if (primary.entry.status !== 'online' || slave.entry.status !== 'online') return [];
  const answers = [a.trouble === null, b.trouble === null];
  if (answers[0] === true && answers[1] === true) return [];
  if (answers[0] === false && answers[1] === false)
    return [primary, slave].map((place) => ({
      place,
      isHeld: true,
      why: 'neither it nor its partner could be asked, and one of them may have served alone',
    }));
  const [place, trace, silent] = answers[0] === true ? [primary, a, slave] : [slave, b, primary];
  if (servedAlone(trace, vdisks) !== null) return [];
  const why = `its partner ${silent.entry.address} could not be asked, and may have served alone`;
  return [{ place, why, isHeld: false }];
}

function placeId({ cluster, shard }: PlannedPlace): string {
  return `${cluster} ${shard}`;
}
