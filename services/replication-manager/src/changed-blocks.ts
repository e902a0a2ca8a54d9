import type { LogSource, WantedBlocks } from '@salvor/tlog';

/** A log, and the record behind which both zones wrote on their own. */
export interface Branch {
  readonly source: LogSource;
  readonly after: number;
}

/**
 * The blocks that either log names behind the fork: all that can differ. Null where one of them does not tell all of it.
 */
export async function changedSinceFork(branches: readonly Branch[]): Promise<WantedBlocks | null> {
  const changed = new Set<number>();
  for (const { source, after } of branches) if (!(await addChanged(changed, source, after))) return null;
  return { count: changed.size, has: (block) => changed.has(block) };
}

/** @returns false when the log does not reach back that far, or lacks a part */
async function addChanged(changed: Set<number>, source: LogSource, after: number): Promise<boolean> {
  let next: number | null = null;
  for await (const segment of source.newestFirst()) {
    const { number, first, last, covers, kind, base } = segment;
    if (next !== null && number !== next) return false;
    // A base copies what is there, and says nothing of what was emptied before it. Compaction leaves its mark out.
    if ((kind === 'baseBegin' && first > after) || base > Math.max(after, 1)) return false;
    for (const { sequence, block } of segment.records) if (sequence > after) changed.add(block);
    if ((covers?.first ?? first) <= after + 1 || last <= after) return true;
    next = (covers?.number ?? number) - 1;
    if (next === 0) return after === 0;
  }
  return false;
}
