import type { ServerEntry } from '@salvor/config-store';
import type { BlockLayout } from '../layout/block-layout.ts';
import { placeBlock } from '../sharding.ts';

/** What no shard has for its number. */
const NOT_LOST = -1;

/**
 * Tells of each block which of the lost shards held it, or -1. A block of a pair that was being spread counts as lost with the
 * pair it came from and with the one it may have gone to. Null where a block's shard is its index modulo the number of shards.
 *
 * @param servers the primary cluster as it was before the loss
 */
export function lostShardOf(
  layout: BlockLayout,
  servers: readonly Pick<ServerEntry, 'status' | 'replacement'>[],
  lost: ReadonlySet<number>,
): ((block: number) => number) | null {
  const shards = servers.length;
  const rip = servers.map(({ status }) => status === 'rip');
  const spread = servers.map(
    ({ status, replacement }) => status === 'repair-final-outage' && replacement === undefined,
  );
  const isPlain = layout.placedBy(1) === 1 && layout.placedBy(shards + 1) === shards + 1;
  if (isPlain && !rip.includes(true) && !spread.includes(true)) return null;
  return (block) => {
    const place = layout.placedBy(block);
    const home = placeBlock(place, shards, (shard) => rip[shard] !== true);
    if (lost.has(home)) return home;
    if (spread[home] !== true) return NOT_LOST;
    const target = placeBlock(place, shards, (shard) => shard !== home && rip[shard] !== true);
    return lost.has(target) ? target : NOT_LOST;
  };
}
