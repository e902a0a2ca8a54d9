import {
  ARCHIVES_PREFIX,
  archivedSchema,
  archiveSchema,
  type ClusterVdisks,
  ConfigValueError,
  configurationTroubleKey,
  configurationTroubleSchema,
  type HealingControls,
  healingClusterKey,
  healingControlsSchema,
  healingEverywhereKey,
  INCIDENTS_PREFIX,
  INSTANCES_PREFIX,
  type IncidentRecord,
  incidentSchema,
  instanceSchema,
  isPaused,
  OPERATIONS_PREFIX,
  operationSchema,
  operationWorkerKey,
  operationWorkerSchema,
  ownerKey,
  ownerSchema,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  REPAIR_PROGRESS_PREFIX,
  type RepairUnderWay,
  recoverySchema,
  repairProgressSchema,
  repairSchema,
  repairsPrefix,
  SALVOR_CLUSTERS_PREFIX,
  type StoreEntry,
  salvorClusterSchema,
  TLOGS_PREFIX,
  takeoverSchema,
  tlogArchivedKey,
  VDISK_OWNERS_PREFIX,
  vdiskWithLog,
} from '@salvor/config-store';
import type { z } from 'zod';
import type { IncidentView, StuckView } from './stuck-decision.ts';

type Entries = ReadonlyMap<string, StoreEntry>;

const nothingHeld: HealingControls = { downtimes: [], log: [] };

/**
 * What the watchdog looks at, from entries as they were watched. What cannot be read is complained of elsewhere.
 *
 * @param vdisks of the clusters whose unrepaired vdisks are to be named
 */
export function stuckView(entries: Entries, vdisks: ReadonlyMap<string, ClusterVdisks>): StuckView {
  const incidents = recordsIn(entries, INCIDENTS_PREFIX, incidentSchema);
  const underWay = recordsIn(entries, REPAIR_PROGRESS_PREFIX, repairProgressSchema).flatMap(
    ({ record }) => record.repairs,
  );
  const clusters = recordsIn(entries, SALVOR_CLUSTERS_PREFIX, salvorClusterSchema);
  return {
    incidents: incidents.map(({ record }) =>
      incidentView(vdisks.get(record.cluster) ?? null, entries, record, underWay),
    ),
    clusters: clusters.flatMap(({ key, record: { status, reason = '', changed, updatedAt } }) => {
      const about = parseKey(key);
      if (about?.kind !== 'salvor-cluster' || status !== 'unhealthy') return [];
      return [{ cluster: about.cluster, reason, unhealthySince: changed?.at ?? updatedAt }];
    }),
    operations: recordsIn(entries, OPERATIONS_PREFIX, operationSchema).flatMap(({ record }) => {
      const { operation, kind, subject = '', work } = record;
      if (work?.status !== 'running' || isPaused(work)) return [];
      const worker = recordAt(entries, operationWorkerKey(operation), operationWorkerSchema)?.worker ?? null;
      return [{ operation, kind, subject, message: work.message, updatedAt: work.updatedAt, worker }];
    }),
    recoveries: recordsIn(entries, RECOVERIES_PREFIX, recoverySchema).flatMap(({ record }) => {
      const { id: recovery, cluster, status, reason, after, updatedAt: since } = record;
      const waits =
        status === 'prepared' || status === 'failed' || (status === 'cancelled' && after !== undefined);
      return waits ? [{ recovery, cluster, status, reason, since }] : [];
    }),
    takeovers: [...entries.values()].flatMap(({ key }) => {
      const about = parseKey(key);
      if (about?.kind !== 'vdisk-takeover') return [];
      const record = recordAt(entries, key, takeoverSchema);
      return record === null ? [] : [{ vdisk: about.vdisk, server: record.server, since: record.since }];
    }),
    instances: recordsIn(entries, INSTANCES_PREFIX, instanceSchema).flatMap(({ record }) => {
      const { instance, status, reason, changedAt } = record;
      return status === 'started' || status === 'stopped' ? [] : [{ instance, status, reason, changedAt }];
    }),
    logs: [...entries.keys()].flatMap((key) => {
      const vdisk = vdiskWithLog(key);
      const trouble =
        vdisk === null ? undefined : recordAt(entries, tlogArchivedKey(vdisk), archivedSchema)?.trouble;
      return vdisk === null || trouble === undefined ? [] : [{ vdisk, ...trouble }];
    }),
    archives: recordsIn(entries, ARCHIVES_PREFIX, archiveSchema).flatMap(({ record }) => {
      const { archive, volume, phase, overflow, trouble } = record;
      const why = phase === 'stopped' ? null : (trouble ?? overflow);
      if (why === null) return [];
      const since = Math.min(trouble?.at ?? why.at, overflow?.at ?? why.at);
      return [{ archive, volume, reason: why.reason, since }];
    }),
    configuration: recordAt(entries, configurationTroubleKey, configurationTroubleSchema),
    everywhere: recordAt(entries, healingEverywhereKey, healingControlsSchema) ?? nothingHeld,
    controls: new Map(
      incidents.map(({ record: { cluster } }) => [
        cluster,
        recordAt(entries, healingClusterKey(cluster), healingControlsSchema) ?? nothingHeld,
      ]),
    ),
  };
}

/** The keys that {@link stuckView} looks at, and those of no other kind below them. */
export const stuckPrefixes = [
  ARCHIVES_PREFIX,
  configurationTroubleKey,
  INCIDENTS_PREFIX,
  INSTANCES_PREFIX,
  RECOVERIES_PREFIX,
  REPAIR_PROGRESS_PREFIX,
  SALVOR_CLUSTERS_PREFIX,
  TLOGS_PREFIX,
  VDISK_OWNERS_PREFIX,
];

function incidentView(
  vdisks: ClusterVdisks | null,
  entries: Entries,
  incident: IncidentRecord,
  all: readonly RepairUnderWay[],
): IncidentView {
  const { id, attempt, status } = incident;
  if (status === 'offline') return { incident, unrepaired: [], repairedAt: null, underWay: [] };
  const repairs = recordsIn(entries, repairsPrefix(id, attempt), repairSchema).map(({ record }) => record);
  const repaired = new Set(repairs.map(({ vdisk }) => vdisk));
  const missing = [...new Set([...(vdisks?.primary ?? []), ...(vdisks?.slave ?? [])])].filter(
    (vdisk) => !repaired.has(vdisk),
  );
  return {
    incident,
    unrepaired: missing.map((vdisk) => ({
      vdisk,
      owner: recordAt(entries, ownerKey(vdisk), ownerSchema)?.server ?? null,
    })),
    repairedAt: repairs.length === 0 ? null : Math.max(...repairs.map(({ at }) => at)),
    // What a server that died had said of what others have repaired since is of no interest.
    underWay: all.filter((one) => one.incident === id && one.attempt === attempt && !repaired.has(one.vdisk)),
  };
}

function recordsIn<S extends z.ZodType>(
  entries: Entries,
  prefix: string,
  schema: S,
): { readonly key: string; readonly record: z.output<S> }[] {
  return [...entries.values()].flatMap(({ key }) => {
    if (!key.startsWith(prefix)) return [];
    const record = recordAt(entries, key, schema);
    return record === null ? [] : [{ key, record }];
  });
}

/** By entry: a key has one schema, and most entries are the same at the next look. */
const readBefore = new WeakMap<StoreEntry, unknown>();

function recordAt<S extends z.ZodType>(entries: Entries, key: string, schema: S): z.output<S> | null {
  const entry = entries.get(key);
  if (entry === undefined) return null;
  if (readBefore.has(entry)) return readBefore.get(entry) as z.output<S> | null;
  const record = recordIn(entry, schema);
  readBefore.set(entry, record);
  return record;
}

function recordIn<S extends z.ZodType>({ key, value }: StoreEntry, schema: S): z.output<S> | null {
  try {
    return parseRecord(schema, key, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
