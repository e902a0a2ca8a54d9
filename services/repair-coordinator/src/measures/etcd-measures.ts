import {
  archiveWorkerKey,
  type ConfigStore,
  ConfigValueError,
  INCIDENTS_PREFIX,
  incidentSchema,
  listArchives,
  listOperations,
  listVolumes,
  parseRecord,
  type StoreEntry,
  UNAVAILABLE_PREFIX,
  unavailableShardSchema,
  volumeViewIn,
  volumeWorkerKey,
} from '@salvor/config-store';
import type { Metrics, Sample } from '@salvor/service-kit';
import type { z } from 'zod';
import { readClusters } from '../descriptions.ts';
import { archiveSamples } from './archive-samples.ts';
import { clusterSamples } from './cluster-samples.ts';
import { type VolumeKept, volumeSamples } from './volume-samples.ts';

/** Measures that are asked for together are of one read. */
const FRESH_MS = 1_000;

/** What of a kind of thing is measured: the metric without its prefix, and a series for each. */
export type Measured = Readonly<Record<string, readonly Sample[]>>;

/**
 * The metrics about what etcd holds. Every coordinator tells the same, so of several take `max by (…)`. Read when somebody asks
 * for `/metrics`, once for all of them.
 */
export function registerEtcdMeasures(metrics: Metrics, store: ConfigStore): void {
  const gauges = (
    read: () => Promise<Measured>,
    described: Readonly<Record<string, readonly [help: string, labels: readonly string[]]>>,
  ): void => {
    const latest = lately(read);
    for (const [name, [help, labels]] of Object.entries(described))
      metrics.gaugesFrom(name, help, labels, async () => (await latest())[name] ?? []);
  };
  gauges(() => readClusterSamples(store), {
    salvor_clusters: ['Storage clusters: 1 for the status that each has', ['cluster', 'role', 'status']],
    salvor_cluster_engines: ['Engines of a cluster, by status', ['cluster', 'status']],
    salvor_cluster_spares: ['Engines that may take the place of a lost one', ['cluster']],
    salvor_incidents_open: ['Outages of engines that have not ended', ['cluster', 'status']],
    salvor_incident_oldest_seconds: ['Age of the oldest outage that has not ended; 0: there is none', []],
    salvor_unavailable_blocks: ['Blocks without a live copy', ['cluster', 'shard']],
    salvor_operations_running: ['Operations that have not ended', ['kind']],
  });
  gauges(() => readVolumeSamples(store), {
    salvor_volumes: [
      'Replicated volumes: 1 for the role and phase that each has',
      ['volume', 'role', 'phase'],
    ],
    salvor_volume_managers: ['Replication-managers that keep a volume in step: 1 or 0', ['volume']],
    salvor_volume_rpo_seconds: [
      'Of a secondary that has a complete copy: age of the oldest write that it may lack; 0: nothing is missing',
      ['volume'],
    ],
    salvor_volume_schedule_interval_seconds: [
      'How often a secondary is brought up to date; 0: all the time',
      ['volume'],
    ],
    salvor_volume_arrived_bytes: ['Of a secondary: bytes that arrived and are not applied', ['volume']],
    salvor_volume_peer_reachable: ['Whether the other zone answers: 1, else 0', ['volume']],
    salvor_volume_split_brain: ['Whether both zones are, or were, primary: 1, else 0', ['volume']],
  });
  gauges(() => readArchiveSamples(store), {
    salvor_archive_managers: ['Replication-managers that write an archive: 1 or 0', ['archive', 'volume']],
    salvor_archive_newest_state_seconds: [
      'Age of the newest state of an archive that lacks something; 0: it has everything',
      ['archive', 'volume'],
    ],
    salvor_archive_protected: [
      'Whether the newest state of an archive can be restored and nothing keeps it from going on: 1, else 0',
      ['archive', 'volume'],
    ],
  });
}

async function readClusterSamples(store: ConfigStore): Promise<Measured> {
  const [clusters, incidents, unavailable, { operations }] = await Promise.all([
    readClusters(store),
    readable(store, INCIDENTS_PREFIX, incidentSchema),
    readable(store, UNAVAILABLE_PREFIX, unavailableShardSchema),
    listOperations(store, { running: true }),
  ]);
  return clusterSamples({ clusters, incidents, unavailable, operations }, Date.now());
}

async function readVolumeSamples(store: ConfigStore): Promise<Measured> {
  const records = await listVolumes(store, () => {});
  const { entries } = await store.getMany(records.map(({ volume }) => volumeWorkerKey(volume)));
  const kept = records.map((record): VolumeKept => {
    const entry = entries.get(volumeWorkerKey(record.volume)) ?? null;
    return {
      record,
      isKept: entry !== null,
      sight: entry === null ? null : orNull(() => volumeViewIn(entry)),
    };
  });
  return volumeSamples(kept, Date.now());
}

async function readArchiveSamples(store: ConfigStore): Promise<Measured> {
  const records = await listArchives(store, () => {});
  const { entries } = await store.getMany(
    records.map(({ archive, volume }) => archiveWorkerKey(archive, volume)),
  );
  const isWritten = ({ archive, volume }: { archive: string; volume: string }): boolean =>
    (entries.get(archiveWorkerKey(archive, volume)) ?? null) !== null;
  return archiveSamples(
    records.map((record) => ({ record, isWritten: isWritten(record) })),
    Date.now(),
  );
}

/** What cannot be read is left out: it is complained of elsewhere. */
async function readable<S extends z.ZodType>(
  store: ConfigStore,
  prefix: string,
  schema: S,
): Promise<z.output<S>[]> {
  const { entries } = await store.list(prefix);
  return entries.flatMap(({ key, value }: StoreEntry) => {
    const record = orNull(() => parseRecord(schema, key, value));
    return record === null ? [] : [record];
  });
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}

function lately<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly value: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (last === null || now - last.at > FRESH_MS) last = { at: now, value: read() };
    return last.value;
  };
}
