import {
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  parseRecord,
  SALVOR_CLUSTERS_PREFIX,
  salvorClusterSchema,
} from '@salvor/config-store';
import type { EngineProbeReplyInit, EngineProbeRequest } from '@salvor/contracts';
import { identityText } from '@salvor/vdisk';
import { type ProbeOptions, probeEngine } from './probe.ts';

/** Probes an engine now. One that is in a cluster must also have the identity that etcd expects there. */
export async function probeOnRequest(
  store: ConfigStore,
  { address, db }: EngineProbeRequest,
  options: ProbeOptions,
): Promise<EngineProbeReplyInit> {
  const identity = await expectedIdentity(store, address, db);
  const finding = await probeEngine({ address, db, identity }, options);
  return { address, status: finding.kind, reason: finding.detail, evidence: [finding], at: finding.at };
}

async function expectedIdentity(store: ConfigStore, address: string, db: number): Promise<string | null> {
  for (const { key, value } of (await store.list(SALVOR_CLUSTERS_PREFIX)).entries) {
    const cluster = decodeURIComponent(key.slice(SALVOR_CLUSTERS_PREFIX.length));
    const storage = await store.get(clusterStorageKey(cluster));
    if (storage === null) continue;
    const { servers } = parseClusterStorage(storage.value);
    const shard = servers.findIndex((entry) => entry.address === address && entry.db === db);
    const entry = servers[shard];
    if (entry === undefined) continue;
    const { role } = parseRecord(salvorClusterSchema, key, value);
    return identityText({ cluster, role, shard, generation: entry.generation });
  }
  return null;
}
