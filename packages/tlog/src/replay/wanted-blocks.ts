/** Blocks of a vdisk that a replay is to bring back. */
export interface WantedBlocks {
  readonly count: number;
  has(block: number): boolean;
}

/** Every block of a vdisk of `blocks` blocks. */
export function everyBlock(blocks: number): WantedBlocks {
  return { count: blocks, has: (block) => block < blocks };
}

/**
 * The blocks whose shard was lost.
 *
 * @param shardOf where blocks are placed; default: block modulo `shards`
 */
export function blocksOfShards(
  blocks: number,
  shards: number,
  lost: ReadonlySet<number>,
  shardOf?: (block: number) => number,
): WantedBlocks {
  if (shardOf !== undefined) {
    let count = 0;
    for (let block = 0; block < blocks; block++) if (lost.has(shardOf(block))) count++;
    return { count, has: (block) => block < blocks && lost.has(shardOf(block)) };
  }
  let count = 0;
  for (const shard of lost) if (shard < shards) count += Math.max(0, Math.ceil((blocks - shard) / shards));
  return { count, has: (block) => block < blocks && lost.has(block % shards) };
}
