import {
  type ClusterStorage,
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  readVdisk,
  type VdiskStatic,
  vdiskSizeBytes,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import type { BlockLayout } from '../layout/block-layout.ts';
import { placeBlock } from '../sharding.ts';
import { layoutOf } from '../vdisk-description.ts';
import type { ShardCopy } from './clone-source.ts';

/** Where the blocks of a vdisk are, as etcd says at one moment. */
export interface VdiskMap {
  readonly vdisk: string;
  readonly static: VdiskStatic;
  readonly layout: BlockLayout;
  readonly blocks: number;
  /** Bits that they need in a dirty map. */
  readonly bits: number;
  /** Those that have blocks: all but the ones that are gone for good. */
  readonly shards: readonly number[];
  /** Of each shard: the copies that are current. */
  readonly copies: readonly (readonly ShardCopy[])[];
  /** The shard on which a block is placed. */
  shardOf(block: number): number;
}

/** @throws SalvorError `unknown-vdisk`, `unsupported-type`, `bad-configuration` */
export async function readVdiskMap(store: ConfigStore, vdisk: string): Promise<VdiskMap> {
  const stored = await readVdisk(store, vdisk);
  if (stored === null) throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  const { storageClusterID, slaveStorageClusterID } = stored.nbd;
  const fixed = stored.static;
  if (fixed.type === 'boot')
    throw new SalvorError('unsupported-type', `vdisk ${vdisk} is of type boot, which cannot be cloned`);
  const primary = await readStorage(store, storageClusterID);
  const slave = slaveStorageClusterID === '' ? null : await readStorage(store, slaveStorageClusterID);
  const count = primary.servers.length;
  const layout = layoutOf(vdisk, fixed, count);
  const blocks = Math.floor(vdiskSizeBytes(fixed) / fixed.blockSize);
  const isUsable = (shard: number): boolean => primary.servers[shard]?.status !== 'rip';
  const copyIn = (
    cluster: string,
    role: 'primary' | 'slave',
    storage: ClusterStorage | null,
    shard: number,
  ) => {
    const entry = storage?.servers[shard];
    if (entry?.status !== 'online') return [];
    const { address, db, generation } = entry;
    return [{ identity: { cluster, role, shard, generation }, address, db }];
  };
  return {
    vdisk,
    static: fixed,
    layout,
    blocks,
    bits: layout.bitCount(blocks, count),
    shards: Array.from({ length: count }, (_, shard) => shard).filter(isUsable),
    copies: Array.from({ length: count }, (_, shard) =>
      isUsable(shard)
        ? [
            ...copyIn(storageClusterID, 'primary', primary, shard),
            ...copyIn(slaveStorageClusterID, 'slave', slave, shard),
          ]
        : [],
    ),
    shardOf: (block) => placeBlock(layout.placedBy(block), count, isUsable),
  };
}

async function readStorage(store: ConfigStore, cluster: string): Promise<ClusterStorage> {
  const entry = await store.get(clusterStorageKey(cluster));
  if (entry === null) throw new SalvorError('bad-configuration', `there is no storage cluster ${cluster}`);
  return parseClusterStorage(entry.value);
}
