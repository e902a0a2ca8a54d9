/** What the vdisks of a cluster have lost with pairs that are down, and whether a log can bring it back. */
import {
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  parseRecord,
  type RecoveryVdisk,
  readTlog,
  readVdisk,
  recoveryVdisksMax,
  salvorClusterKey,
  salvorClusterSchema,
  UNAVAILABLE_PREFIX,
  type UnavailableShard,
  unavailableShardSchema,
  vdiskSizeBytes,
  vdisksOfCluster,
} from '@salvor/config-store';
import { decideRecoverable } from './recoverable.ts';

/**
 * Vdisks of a primary cluster that have blocks on a pair without a live member. What the engines cannot tell is an upper
 * bound from the size of the vdisk.
 *
 * @throws StoreError, ConfigValueError
 */
export async function lostBlocks(store: ConfigStore, cluster: string): Promise<RecoveryVdisk[]> {
  const { entries } = await store.getMany([clusterStorageKey(cluster), salvorClusterKey(cluster)]);
  const storage = entries.get(clusterStorageKey(cluster));
  const record = entries.get(salvorClusterKey(cluster));
  if (storage == null || record == null) return [];
  const { partner } = parseRecord(salvorClusterSchema, record.key, record.value);
  const own = parseClusterStorage(storage.value).servers;
  const other = partner === undefined ? null : await store.get(clusterStorageKey(partner));
  const theirs = other === null ? [] : parseClusterStorage(other.value).servers;
  const dark = own.flatMap(({ status }, shard) =>
    status === 'online' || status === 'rip' || theirs[shard]?.status === 'online' ? [] : [shard],
  );
  if (dark.length === 0) return [];
  const told = await statements(store, cluster);
  const lost: RecoveryVdisk[] = [];
  for (const vdisk of (await vdisksOfCluster(store, cluster)).primary) {
    const stored = await readVdisk(store, vdisk);
    if (stored === null || lost.length === recoveryVdisksMax) continue;
    const { slaveStorageClusterID: slave } = stored.nbd;
    // With another slave than the partner it has members of its own.
    if (slave !== '' && slave !== partner) continue;
    const { type, blockSize } = stored.static;
    const all = Math.floor(vdiskSizeBytes(stored.static) / blockSize);
    const each = dark.map((shard) => {
      const known = told.find((one) => one.shard === shard)?.vdisks.find((one) => one.vdisk === vdisk);
      const bound = type === 'boot' ? all : Math.max(0, Math.ceil((all - shard) / own.length));
      return known ?? { blocks: bound, counted: false };
    });
    const blocks = each.reduce((sum, one) => sum + one.blocks, 0);
    const counted = each.every((one) => one.counted);
    if (counted && blocks === 0) continue;
    const loss = { vdisk, type, blocks, counted };
    lost.push({ ...decideRecoverable(loss, await readTlog(store, vdisk)) });
  }
  return lost;
}

async function statements(store: ConfigStore, cluster: string): Promise<UnavailableShard[]> {
  const { entries } = await store.list(UNAVAILABLE_PREFIX);
  return entries
    .map(({ key, value }) => parseRecord(unavailableShardSchema, key, value))
    .filter((one) => one.cluster === cluster);
}
