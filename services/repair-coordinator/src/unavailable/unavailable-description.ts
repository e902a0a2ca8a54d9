import {
  type ConfigStore,
  parseRecord,
  UNAVAILABLE_PREFIX,
  type UnavailableShard,
  unavailableShardSchema,
} from '@salvor/config-store';
import type { UnavailableShardInit } from '@salvor/contracts';

/** The statements there are, in the words of the contracts. Throws ConfigValueError. */
export async function describeUnavailable(
  store: ConfigStore,
): Promise<(UnavailableShardInit & { readonly incidents: readonly string[] })[]> {
  const { entries } = await store.list(UNAVAILABLE_PREFIX);
  return entries.map(({ key, value }) => {
    const statement = parseRecord(unavailableShardSchema, key, value);
    return { ...descriptionOf(statement), incidents: statement.incidents };
  });
}

function descriptionOf(statement: UnavailableShard): UnavailableShardInit {
  const { cluster, slaveCluster, shard, since, blocks, counted, reason, vdisks } = statement;
  return {
    ...{ cluster, shard, since, blocks, counted, reason },
    ...(slaveCluster === undefined ? {} : { slaveCluster }),
    vdisks: vdisks.map((one) => ({
      ...{ vdisk: one.vdisk, blocks: one.blocks, counted: one.counted, detail: one.detail },
    })),
  };
}
