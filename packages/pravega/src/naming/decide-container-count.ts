/** How many containers a tree had: it is stored nowhere, but every row shows where its segment was put. */
import { containerOfSegment } from './container-mapping.ts';
import { isInternal, primaryName } from './segment-name.ts';

export interface ContainerCount {
  readonly count: number;
  /** Null: every row fits this count. Else why it is in doubt. */
  readonly doubt: string | null;
  /** Files tell of another number. */
  readonly isGuess?: boolean;
  /** Counts that the rows fit as well, where there are too few of them to tell; null where there are none. */
  readonly remark: string | null;
}

/** Counts above the highest container found that are tried. */
const MAX_TRIED = 4_096;
/** Where no count fits every row: counts that are tried, and names that each is held against. */
const MAX_FITTED = 1_024;
const MAX_FITTED_NAMES = 500;
/** Names that are tried; each count is held against the first few before the others. */
const MAX_SAMPLE = 2_000;
/** What is less likely than this was not by chance. */
const CHANCE = 0.001;

interface PlacedName {
  readonly name: string;
  readonly container: number;
}

/**
 * `rows`: per container that left a trace, names of segments that its metadata has rows of. A name that is put into container
 * k of n is in k of every smaller count above k, too, so that the rows fit all counts from the highest container on up to the
 * first one that would have moved one of them.
 */
export function decideContainerCount(rows: ReadonlyMap<number, Iterable<string>>): ContainerCount {
  let highest = -1;
  for (const container of rows.keys()) highest = Math.max(highest, container);
  const lowest = highest + 1;
  if (lowest === 0) return { count: 1, doubt: 'no container has left any metadata', remark: null };
  const { sample, areAllThere } = sampleOf(rows);
  if (sample.length === 0) {
    const why = 'no row tells which container a segment was put into';
    if (!areAllThere) return { count: lowest, doubt: why, remark: null };
    return {
      count: lowest,
      doubt: null,
      remark: `the number of containers is taken to be ${lowest}: ${why}`,
    };
  }
  return misfits(sample, lowest, 0) === 0 ? fitting(sample, lowest) : bestFit(sample, lowest);
}

/** The count that the traces tell; or a higher one, where all names stay out of its last containers, and not by chance. */
function fitting(sample: readonly PlacedName[], lowest: number): ContainerCount {
  let top = lowest;
  while (top < lowest + MAX_TRIED && misfits(sample, top + 1, 0) === 0) top += 1;
  if (top === lowest) return { count: lowest, doubt: null, remark: null };
  if ((lowest / top) ** sample.length < CHANCE)
    return {
      count: top,
      doubt: `no file of the containers from ${lowest} on is there, and none of ${sample.length} names belongs to them`,
      remark: null,
    };
  const remark = `the number of containers is taken to be ${lowest}, of which files are there: the few names that there are fit up to ${top} as well`;
  return { count: lowest, doubt: null, remark };
}

/** A file with a foreign name may tell of containers that never were, and a damaged row of another place. */
function bestFit(sample: readonly PlacedName[], lowest: number): ContainerCount {
  const names = sample.slice(0, MAX_FITTED_NAMES);
  let best = { count: lowest, misfits: misfits(names, lowest, names.length) };
  for (let count = 1; count <= Math.min(lowest, MAX_FITTED) && best.misfits > 0; count += 1) {
    const found = misfits(names, count, best.misfits - 1);
    if (found < best.misfits) best = { count, misfits: found };
  }
  const doubt =
    best.misfits === 0
      ? `files tell of container ${lowest - 1}, and no row fits so many containers; every row fits this number`
      : `no number fits every row; with this one ${best.misfits} of ${names.length} do not`;
  return { count: best.count, doubt, remark: null, isGuess: best.count !== lowest };
}

/** Names that a count puts elsewhere. Stops counting above `enough`. */
function misfits(sample: readonly PlacedName[], count: number, enough: number): number {
  let found = 0;
  for (const { name, container } of sample) {
    if (containerOfSegment(name, count) !== container) found += 1;
    if (found > enough) break;
  }
  return found;
}

/** All epochs of a segment lie together: each primary name counts once. Of each container in turn, so that few stand for all. */
function sampleOf(rows: ReadonlyMap<number, Iterable<string>>): {
  readonly sample: readonly PlacedName[];
  /** Every container has a row, be it of its own metadata. */
  readonly areAllThere: boolean;
} {
  const perContainer = Math.ceil(MAX_SAMPLE / Math.max(1, rows.size));
  let areAllThere = true;
  const lists = [...rows].map(([container, names]) => {
    let isThere = false;
    const primary = new Map<string, PlacedName>();
    for (const name of names) {
      isThere = true;
      if (!isInternal(name)) primary.set(primaryName(name), { name, container });
      if (primary.size >= perContainer) break;
    }
    areAllThere &&= isThere;
    return [...primary.values()];
  });
  const sample: PlacedName[] = [];
  for (let place = 0; place < perContainer; place += 1) {
    for (const list of lists) {
      const placed = list[place];
      if (placed !== undefined) sample.push(placed);
    }
    if (lists.every(({ length }) => length <= place)) break;
  }
  return { sample, areAllThere };
}
