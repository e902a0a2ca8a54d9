/** Cluster states for tests of the healing cores. */
import type { ServerEntry } from '../../src/cluster-storage.ts';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import type { SalvorClusterRecord } from '../../src/healing/records.ts';

export function engine(address: string): ServerEntry {
  return { address, db: 0, state: 'online', status: 'online', generation: 1 };
}

export function record(changes: Partial<SalvorClusterRecord> = {}): SalvorClusterRecord {
  return {
    status: 'healthy',
    role: 'primary',
    spares: [],
    retired: [],
    lastOnlineAt: {},
    updatedAt: 0,
    operation: 'create',
    ...changes,
  };
}

/** A primary `p` with shards p0, p1, … paired with a slave `s` of the same length. */
export function pairOfClusters(
  shards = 3,
  spares: readonly string[] = ['spare0:1', 'spare1:1'],
): ClusterState {
  const addresses = (prefix: string) =>
    Array.from({ length: shards }, (_, shard) => engine(`${prefix}${shard}:1`));
  return {
    cluster: 'p',
    revision: '100',
    storage: { servers: addresses('p') },
    record: record({ partner: 's', spares: spares.map((address) => ({ address, db: 0 })) }),
    incidents: new Map(),
    partner: {
      cluster: 's',
      storage: { servers: addresses('s') },
      record: record({ role: 'slave', partner: 'p' }),
    },
  };
}
