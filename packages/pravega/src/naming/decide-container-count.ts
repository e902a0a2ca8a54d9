/** How many containers a tree had: it is stored nowhere, but every row shows where its segment was put. */
import { containerOfSegment } from './container-mapping.ts';
import { isInternal } from './segment-name.ts';

export interface ContainerCount {
  readonly count: number;
  /** Null: every row fits this count, and no smaller one. Else why it is a guess. */
  readonly doubt: string | null;
}

/** Counts that are tried above the highest container found. */
const MAX_TRIED = 4_096;
/** Names that are tried; each count is held against the first few before the others. */
const MAX_SAMPLE = 2_000;

/** `rows`: per container that was found, names of segments that its metadata has rows of. */
export function decideContainerCount(rows: ReadonlyMap<number, Iterable<string>>): ContainerCount {
  const lowest = Math.max(-1, ...rows.keys()) + 1;
  const sample: { name: string; container: number }[] = [];
  const perContainer = Math.ceil(MAX_SAMPLE / Math.max(1, rows.size));
  for (const [container, names] of rows) {
    let taken = 0;
    for (const name of names) {
      if (isInternal(name)) continue;
      sample.push({ name, container });
      taken += 1;
      if (taken >= perContainer) break;
    }
  }
  if (lowest === 0) return { count: 1, doubt: 'no container has left any metadata' };
  if (sample.length === 0)
    return { count: lowest, doubt: 'no row tells which container a segment was put into' };
  for (let count = lowest; count < lowest + MAX_TRIED; count += 1) {
    if (sample.every(({ name, container }) => containerOfSegment(name, count) === container))
      return { count, doubt: null };
  }
  const misfits = sample.filter(
    ({ name, container }) => containerOfSegment(name, lowest) !== container,
  ).length;
  return {
    count: lowest,
    doubt: `no count fits every row; with this one ${misfits} of ${sample.length} do not`,
  };
}
