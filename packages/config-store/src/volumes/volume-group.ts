/**
 * Consistency groups: cuts through the logs of several volumes, so that what a failover brings is one moment of all of them.
 * A cut is a segment of each log; whatever was answered before the cut on one volume is in its log before that segment, and
 * nothing that was written because of a later answer is before the segments of the others. Pure.
 */
import type { PlanRecord } from '../plans/plan-records.ts';
import { decideToldCuts } from './decide-told-cuts.ts';
import { generationText, sameGeneration } from './volume-lineage.ts';
import {
  type Generation,
  type LogEnd,
  type LogSegment,
  type ReachedCut,
  reachedCutsMax,
  type VolumeCut,
  type VolumeGroup,
  type VolumeRecord,
} from './volume-records.ts';

/** A group of a plan whose volumes are one. */
export interface ConsistencyGroup {
  /** `<plan>/<group>` */
  readonly name: string;
  readonly members: readonly string[];
  readonly everyMs: number;
}

const CUT_EVERY_SECONDS = 1;

/**
 * Those that the plans have. A volume that two of them name is in the one whose name sorts first, and the other is none:
 * `clashes` tells of it. A plan that names one is refused; two zones that were apart may have written both.
 */
export function consistencyGroups(plans: readonly Pick<PlanRecord, 'plan' | 'document'>[]): {
  readonly groups: ConsistencyGroup[];
  readonly clashes: string[];
} {
  const found = plans.flatMap(({ plan, document }) =>
    (document?.groups ?? []).flatMap(({ name, volumes, consistent, cutEverySeconds }) =>
      consistent === true
        ? [
            {
              name: `${plan}/${name}`,
              members: volumes.toSorted(),
              everyMs: 1_000 * (cutEverySeconds ?? CUT_EVERY_SECONDS),
            },
          ]
        : [],
    ),
  );
  const groups: ConsistencyGroup[] = [];
  const clashes: string[] = [];
  for (const group of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const taken = groups.find(({ members }) => members.some((volume) => group.members.includes(volume)));
    if (taken === undefined) groups.push(group);
    else clashes.push(`group ${group.name} is none: group ${taken.name} has a volume of it`);
  }
  return { groups, clashes };
}

/** The record of a volume that is in this group now, null: in none; null: it is as it was. */
export function withMembership(
  record: VolumeRecord,
  group: ConsistencyGroup | null,
): { readonly group: VolumeGroup | null } | null {
  const known = record.group;
  if (group === null) return known === null ? null : { group: null };
  const members = [...group.members];
  if (known === null || known.name !== group.name)
    return {
      group: {
        ...{ name: group.name, members, made: [], arrived: [], released: null, reached: [] },
        ...{ number: 0, reason: `group ${group.name} has no cut yet`, hinderedAt: null },
      },
    };
  const isSame =
    members.length === known.members.length && members.every((each) => known.members.includes(each));
  return isSame ? null : { group: { ...known, members } };
}

export type GroupStep =
  /** All are primary here: a cut is to be made with those who write them. */
  | { readonly kind: 'cut' }
  /** Nobody writes any of them any more: where their logs end is a cut. */
  | { readonly kind: 'final'; readonly places: ReadonlyMap<string, LogSegment> }
  /** All have this cut whole: all may go up to it. */
  | { readonly kind: 'release'; readonly id: string }
  | { readonly kind: 'rest' }
  /** Why there can be no newer cut, as a sentence. `isLasting`: no time changes that, but an operator. */
  | { readonly kind: 'hindered'; readonly reason: string; readonly isLasting: boolean };

/** What is to be done about a group in this zone. `records`: of its members, in their order. */
export function decideGroupStep(
  { name, members }: Pick<ConsistencyGroup, 'name' | 'members'>,
  records: readonly (VolumeRecord | null)[],
): GroupStep {
  const all: VolumeRecord[] = [];
  for (const [index, record] of records.entries()) {
    const volume = members[index] ?? '';
    if (record === null) return stuck(`there is no volume ${volume} in this zone`);
    if (record.group?.name !== name) return hindered(`volume ${volume} is not in group ${name} yet`);
    all.push(record);
  }
  if (all.every(({ role }) => role === 'primary')) return cutOrNot(all);
  if (all.some(({ role }) => role === 'primary')) return stuck(`it is torn: ${rolesOf(all)}`);
  if (all.every(({ phase }) => phase === 'waiting')) return finalOrNot(all);
  const other = all.find(({ phase }) => phase !== 'following');
  if (other !== undefined) return hindered(`volume ${other.volume} is ${other.phase}: ${other.reason}`);
  return releaseOrNot(all);
}

function cutOrNot(all: readonly VolumeRecord[]): GroupStep {
  const alone = all.find(({ peer, mode }) => peer === null || mode === 'none');
  if (alone !== undefined) return stuck(`volume ${alone.volume} is not replicated`);
  const slow = all.find(({ mode }) => mode !== 'instant');
  if (slow !== undefined)
    return stuck(`volume ${slow.volume} is replicated ${slow.mode}: a group needs mode instant`);
  const peers = new Set(all.map(({ peer }) => peer));
  return peers.size > 1
    ? stuck(`its volumes are replicated to several zones: ${[...peers].join(', ')}`)
    : { kind: 'cut' };
}

function finalOrNot(all: readonly VolumeRecord[]): GroupStep {
  const places = new Map<string, LogSegment>();
  for (const { volume, sequence, segment } of all) {
    if (sequence === null || segment === null || segment.last !== sequence)
      return hindered(`it is not known in which segment the log of volume ${volume} ends`);
    places.set(volume, segment);
  }
  const id = newestMade(all[0])?.id;
  const isMade = all.every((record) => {
    const { volume, generation } = record;
    const made = newestMade(record);
    if (made === null || made.id !== id || !sameGeneration(made.generation, generation)) return false;
    const place = places.get(volume);
    return place !== undefined && made.segment.number === place.number && made.segment.last === place.last;
  });
  return isMade ? { kind: 'rest' } : { kind: 'final', places };
}

function releaseOrNot(all: readonly VolumeRecord[]): GroupStep {
  const forced = all.find(({ promotion }) => promotion?.force === true);
  if (forced !== undefined) return hindered(`volume ${forced.volume} is being promoted by force`);
  const [first] = all;
  const mayBe = (first?.group?.arrived ?? []).toSorted((a, b) => b.number - a.number).map(({ id }) => id);
  const isEverywhere = (id: string): boolean => all.every((record) => isReleasable(record, id));
  const id = mayBe.find(isEverywhere);
  if (id === undefined) return { kind: 'rest' };
  return all.every(({ group }) => group?.released?.id === id) ? { kind: 'rest' } : { kind: 'release', id };
}

/** It arrived whole under the generation that is followed, and nothing behind it was applied, or may be. */
function isReleasable({ generation, group, sequence }: VolumeRecord, id: string): boolean {
  const cut = group?.arrived.find((each) => each.id === id);
  if (cut === undefined || sequence === null || !sameGeneration(cut.generation, generation)) return false;
  const released = group?.released ?? null;
  const isBehindReleased =
    released !== null && sameLog(released.generation, generation) && cut.segment.last < released.segment.last;
  return sequence <= cut.segment.last && !isBehindReleased;
}

function rolesOf(all: readonly VolumeRecord[]): string {
  return all.map(({ volume, role, phase }) => `volume ${volume} is ${role} (${phase})`).join(', ');
}

function hindered(reason: string): GroupStep {
  return { kind: 'hindered', reason, isLasting: false };
}

function stuck(reason: string): GroupStep {
  return { kind: 'hindered', reason, isLasting: true };
}

/** The newest cut that was made here of a volume; null: none was. */
export function newestMade(record: Pick<VolumeRecord, 'group'> | undefined): VolumeCut | null {
  return record?.group?.made.at(-1) ?? null;
}

/** The records with a cut that was made here. */
export function withMadeCut(
  records: readonly VolumeRecord[],
  {
    id,
    at,
    places,
  }: { readonly id: string; readonly at: number; readonly places: ReadonlyMap<string, LogSegment> },
): VolumeRecord[] {
  const known = Math.max(0, ...records.map(({ group }) => group?.number ?? 0));
  const isSame = records.every((record) => newestMade(record)?.id === id);
  const number = isSame ? known : known + 1;
  return records.map((record) => {
    const segment = places.get(record.volume);
    if (segment === undefined || record.group === null)
      throw new Error(`cut ${id} has no place in the log of volume ${record.volume}`);
    const before = record.group.made.filter((cut) => cut.id !== id);
    const cut = { id, number, at, generation: record.generation, segment };
    const made = decideToldCuts([...before.filter((each) => each.number !== number), cut]);
    return { ...record, group: { ...record.group, made, number, ...untroubled } };
  });
}

/** The records with a cut that all of them have. */
export function withReleasedCut(records: readonly VolumeRecord[], id: string): VolumeRecord[] {
  return records.map((record) => {
    const { group } = record;
    const released = group?.arrived.find((each) => each.id === id);
    if (group === null || released === undefined)
      throw new Error(`volume ${record.volume} does not have cut ${id}`);
    const arrived = group.arrived.filter(({ number: each }) => each > released.number);
    const number = Math.max(group.number, released.number);
    return { ...record, group: { ...group, released, arrived, number, ...untroubled } };
  });
}

/** Cuts that are whole in this zone, of one volume; null: they are known, or not of what is followed. */
export function withArrivedCuts(
  { generation, group, phase }: Pick<VolumeRecord, 'generation' | 'group' | 'phase'>,
  cuts: readonly VolumeCut[],
): { readonly group: VolumeGroup } | null {
  if (group === null || phase !== 'following') return null;
  const { released, arrived } = group;
  const isNews = (cut: VolumeCut): boolean =>
    sameGeneration(cut.generation, generation) &&
    (released === null || released.id !== cut.id) &&
    !arrived.some(({ id }) => id === cut.id);
  const news = cuts.filter(isNews);
  const known = arrived.filter((cut) => sameGeneration(cut.generation, generation));
  const kept = decideToldCuts([...known, ...news]);
  return kept.every((cut) => known.includes(cut)) ? null : { group: { ...group, arrived: kept } };
}

/** A cut that the vdisk stands at now. */
export function withReachedCut(group: VolumeGroup | null, reached: ReachedCut | null): VolumeGroup | null {
  if (group === null || reached === null || group.reached.some(({ id }) => id === reached.id)) return group;
  return { ...group, reached: [...group.reached, reached].slice(-reachedCutsMax) };
}

/** What was brought over by a copy stands at no cut, and what arrived before it is gone. */
export function withoutCuts(group: VolumeGroup | null): VolumeGroup | null {
  if (group === null) return null;
  const reason = `group ${group.name} has no cut here yet since the volume was copied`;
  return { ...group, arrived: [], released: null, reached: [], reason };
}

/** Of a volume that became primary: what it followed is over. */
export function newlyPrimary(group: VolumeGroup | null): VolumeGroup | null {
  if (group === null) return null;
  return { ...group, made: [], arrived: [], released: null, reached: [], ...untroubled };
}

const untroubled = { reason: '', hinderedAt: null } as const;

/** Generations of one zone and one life of a volume number one log. */
export function sameLog(a: Generation, b: Generation): boolean {
  return a.zone === b.zone && a.incarnation === b.incarnation;
}

/** Up to which record of the log that is followed a secondary may be brought. */
export function boundOf({
  group,
  generation,
  sequence,
}: Pick<VolumeRecord, 'group' | 'generation' | 'sequence'>): number {
  if (group === null) return Number.POSITIVE_INFINITY;
  const { released } = group;
  const here = sequence ?? 0;
  return released === null || !sameLog(released.generation, generation)
    ? here
    : Math.max(here, released.segment.last);
}

/**
 * Why what a member of a group would be promoted with is not the moment that the others have; null: it is, or it is in no
 * group. `isDrained`: everything up to the released cut is applied, and nothing more comes.
 */
export function inconsistency(
  { volume, group }: Pick<VolumeRecord, 'volume' | 'group'>,
  content: Pick<VolumeRecord, 'generation'> & LogEnd,
  isDrained: boolean,
): string | null {
  if (group === null) return null;
  const { name, released } = group;
  if (released === null || !sameLog(released.generation, content.generation))
    return `volume ${volume} is in group ${name}, and there is no moment yet that all of its volumes have in this zone`;
  const { segment, number } = released;
  if (content.sequence > segment.last)
    return `volume ${volume} is at record ${content.sequence} of generation ${generationText(content.generation)}, behind cut ${number} of group ${name} (record ${segment.last}), at which the others are`;
  if (!isDrained || (content.sequence === segment.last && content.segment?.base === segment.base))
    return null;
  return `volume ${volume} is at record ${content.sequence}, and cut ${number} of group ${name}, at which the others are, at record ${segment.last}`;
}
