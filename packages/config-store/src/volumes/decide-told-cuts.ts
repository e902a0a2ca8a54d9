/**
 * Which cuts of a consistency group are remembered. Copies come to a cut one after the other, perhaps hours behind the primary, and need
 * one that all have heard of: so few are remembered, the further apart the older they are, and by their numbers alone, which
 * are the same for all volumes. Pure.
 */

/** Numbers that 2 ** 14 divides are remembered the longest: at a cut each second the oldest is from 4 to 9 hours ago. */
const LEVELS = 15;
/** Of each level the two newest: one of them is at least as far behind as the numbers of the level are apart. */
const OF_EACH_LEVEL = 2;
/** With numbers that count up without a gap, one of two of a level is the newest of the next one. */
export const toldCutsMax: number = LEVELS + OF_EACH_LEVEL - 1;

/** @param cuts of one generation, of different numbers @returns those that are remembered, by their numbers */
export function decideToldCuts<C extends { readonly number: number }>(cuts: readonly C[]): C[] {
  const sorted = cuts.toSorted((a, b) => a.number - b.number);
  const kept = new Set<C>();
  for (let level = 0; level < LEVELS; level++)
    for (const cut of sorted.filter(({ number }) => number % 2 ** level === 0).slice(-OF_EACH_LEVEL))
      kept.add(cut);
  return sorted.filter((cut) => kept.has(cut)).slice(-toldCutsMax);
}
