import type { IncidentRecord, OperationRecord, UnavailableShard } from '@salvor/config-store';
import type { KnownCluster } from '../descriptions.ts';
import type { Measured } from './etcd-measures.ts';

export interface ClustersHeld {
  readonly clusters: readonly KnownCluster[];
  /** Those that are open. */
  readonly incidents: readonly IncidentRecord[];
  readonly unavailable: readonly UnavailableShard[];
  readonly operations: readonly OperationRecord[];
}

/** @param now in milliseconds, by the clock of whoever wrote the records */
export function clusterSamples(
  { clusters, incidents, unavailable, operations }: ClustersHeld,
  now: number,
): Measured {
  const oldest = Math.min(now, ...incidents.map(({ openedAt }) => openedAt));
  return {
    salvor_clusters: clusters.map(({ cluster, record: { role, status } }) => [{ cluster, role, status }, 1]),
    salvor_cluster_engines: clusters.flatMap(({ cluster, storage }) =>
      counted(storage.servers.map(({ status }) => status)).map(
        ([status, engines]) => [{ cluster, status }, engines] as const,
      ),
    ),
    salvor_cluster_spares: clusters.map(({ cluster, record }) => [{ cluster }, record.spares.length]),
    salvor_incidents_open: clusters.flatMap(({ cluster }) =>
      counted(incidents.filter((one) => one.cluster === cluster).map(({ status }) => status)).map(
        ([status, open]) => [{ cluster, status }, open] as const,
      ),
    ),
    salvor_incident_oldest_seconds: [[{}, (now - oldest) / 1_000]],
    salvor_unavailable_blocks: unavailable.map(({ cluster, shard, blocks }) => [
      { cluster, shard: String(shard) },
      blocks,
    ]),
    salvor_operations_running: counted(
      operations.flatMap(({ kind, work }) => (work?.status === 'running' ? [kind] : [])),
    ).map(([kind, running]) => [{ kind }, running]),
  };
}

function counted(words: readonly string[]): [word: string, count: number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts];
}
