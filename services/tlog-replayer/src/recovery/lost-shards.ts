/** Which blocks of a vdisk were lost: their shard was, in the configuration from before. */
import {
  type ClusterStorage,
  parseClusterStorage,
  type RecoveryRecord,
  type VdiskStatic,
  vdiskSizeBytes,
} from '@salvor/config-store';
import { blocksOfShards, everyBlock, type WantedBlocks } from '@salvor/tlog';
import { layoutOf, lostShardOf } from '@salvor/vdisk';

export interface Loss {
  /** The primary cluster as it was; null: nobody knows, and everything is brought back. */
  readonly before: ClusterStorage | null;
  readonly shards: ReadonlySet<number>;
  /** Of them, those whose engine is back and lacks only what was written without it. */
  readonly survivors: ReadonlySet<number>;
}

export function lossOf({ before, pairs }: Pick<RecoveryRecord, 'before' | 'pairs'>): Loss {
  return {
    before: parseClusterStorage(before.storage),
    shards: new Set(pairs.map(({ shard }) => shard)),
    survivors: new Set(pairs.flatMap(({ shard, way }) => (way === 'survivor' ? [shard] : []))),
  };
}

/** Shards whose members were all replaced, or given up, between two configurations of a primary cluster and its partner. */
export function lostBetween(
  before: { readonly primary: ClusterStorage; readonly slave: ClusterStorage | null },
  after: { readonly primary: ClusterStorage; readonly slave: ClusterStorage | null },
): Loss {
  const isGone = (was: ClusterStorage | null, is: ClusterStorage | null, shard: number): boolean => {
    const [old, now] = [was?.servers[shard], is?.servers[shard]];
    if (old === undefined) return true;
    if (now === undefined || old.status === 'rip') return old.status !== 'rip';
    return now.status === 'rip' || old.address !== now.address || old.generation !== now.generation;
  };
  const shards = [...before.primary.servers.keys()].filter(
    (shard) =>
      before.primary.servers[shard]?.status !== 'rip' &&
      isGone(before.primary, after.primary, shard) &&
      isGone(before.slave, after.slave, shard),
  );
  return { before: before.primary, shards: new Set(shards), survivors: new Set() };
}

export function wantedBlocks(vdisk: string, fixed: VdiskStatic, loss: Loss): WantedBlocks {
  const { before, shards } = loss;
  const blocks = Math.floor(vdiskSizeBytes(fixed) / fixed.blockSize);
  if (before === null) return everyBlock(blocks);
  const count = before.servers.length;
  const shardOf = lostShardOf(layoutOf(vdisk, fixed, count), before.servers, shards);
  return shardOf === null
    ? blocksOfShards(blocks, count, shards)
    : blocksOfShards(blocks, count, shards, shardOf);
}

/** Which of the lost shards held a block; another number: none of them. */
export function shardOfLost(
  vdisk: string,
  fixed: VdiskStatic,
  { before, shards }: Loss,
): (block: number) => number {
  const servers = before?.servers ?? [];
  const placed = lostShardOf(layoutOf(vdisk, fixed, servers.length), servers, shards);
  return placed ?? ((block) => block % servers.length);
}

/** Without the blocks of survivors that were not changed since these became stale. */
export function narrowed(
  whole: WantedBlocks,
  changed: ReadonlySet<number>,
  isOfSurvivor: (block: number) => boolean,
  others: number,
): WantedBlocks {
  return {
    count: others + changed.size,
    has: (block) => whole.has(block) && (!isOfSurvivor(block) || changed.has(block)),
  };
}
