import type { ChunkName } from './chunk-name.ts';

export interface Coverage<C extends ChunkName = ChunkName> {
  /** Oldest first. Each is used from segment `useFrom` on: what an overlapping one before it holds is not read twice. */
  readonly chunks: readonly { readonly chunk: C; readonly useFrom: number }[];
  /** Segments that no chunk covers, between others that one covers. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** What the others cover: leftovers of a compaction or of an archiver that died, and what a writer stored too late. */
  readonly spare: readonly C[];
}

/**
 * Which chunks make up the log, of those that lie there. Wherever several hold the same segments, the one that reaches furthest
 * is taken, of equals the one that was compacted last: so it does not matter at which moment a compaction or an archiver died.
 * What a writer stored behind the place where a later one had begun does not count, however far it reaches.
 *
 * @param isAvoided those that are not to be used, and are there
 */
export function decideCoverage<C extends ChunkName>(
  found: readonly C[],
  isAvoided: (chunk: C) => boolean = () => false,
): Coverage<C> {
  const byStart = inTime(found)
    .filter((chunk) => !isAvoided(chunk))
    .sort((a, b) => a.from - b.from || b.to - a.to || b.pass - a.pass);
  const chunks: { chunk: C; useFrom: number }[] = [];
  const gaps: { from: number; to: number }[] = [];
  let covered = 0;
  for (let i = 0; i < byStart.length; ) {
    // The log begins where the oldest chunk begins: what is older was let go.
    const start = byStart[i];
    if (start === undefined) break;
    if (start.to <= covered) {
      i++;
      continue;
    }
    if (start.from > covered + 1 && chunks.length > 0) gaps.push({ from: covered + 1, to: start.from - 1 });
    const needed = chunks.length === 0 || start.from > covered + 1 ? start.from : covered + 1;
    let best = start;
    for (; i < byStart.length; i++) {
      const candidate = byStart[i];
      if (candidate === undefined || candidate.from > needed) break;
      if (candidate.to > best.to || (candidate.to === best.to && candidate.pass > best.pass))
        best = candidate;
    }
    chunks.push({ chunk: best, useFrom: needed });
    covered = best.to;
  }
  const used = new Set<C>(chunks.map(({ chunk }) => chunk));
  return { chunks, gaps, spare: found.filter((chunk) => !used.has(chunk)) };
}

/** Without those that begin where, or behind where, one of a later epoch begins. */
function inTime<C extends ChunkName>(found: readonly C[]): C[] {
  let epoch = 0;
  // Of those with the same beginning, the latest epoch first.
  return [...found]
    .sort((a, b) => a.from - b.from || b.epoch - a.epoch)
    .filter((chunk) => {
      epoch = Math.max(epoch, chunk.epoch);
      return chunk.epoch === epoch;
    });
}
