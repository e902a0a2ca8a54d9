import type { LogSource } from '@salvor/tlog';

/**
 * The blocks of shards that were changed after a batch of each, as far as the log names them: a few more, where a segment
 * ends in the middle of a batch. Null when the log does not reach back that far without a gap.
 *
 * @param batches by shard: the last batch that its engine has
 */
export async function changedSince(
  source: LogSource,
  upTo: number,
  batches: ReadonlyMap<number, number>,
  shardOf: (block: number) => number,
  signal: AbortSignal,
): Promise<Set<number> | null> {
  const open = new Map(batches);
  const changed = new Set<number>();
  let newer: number | null = null;
  for await (const { number, positions = [], records, covers } of source.newestFirst(upTo)) {
    signal.throwIfAborted();
    if (newer !== null && number < newer - 1) return null;
    newer = covers?.number ?? number;
    for (const { block } of records) if (open.has(shardOf(block))) changed.add(block);
    for (const { shard, batch } of positions) if (batch <= (open.get(shard) ?? -1)) open.delete(shard);
    if (open.size === 0) return changed;
  }
  return null;
}
