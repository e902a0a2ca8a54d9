import {
  CLOSED_INCIDENTS_PREFIX,
  type ClosedIncident,
  type ClusterStorage,
  type ConfigStore,
  closedIncidentKey,
  closedIncidentSchema,
  clusterStorageKey,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  isPaused,
  listClusters,
  listOperations,
  type OperationRecord,
  parseClusterStorage,
  parseIncidentId,
  parseRecord,
  readOperation,
  recordIn,
  type SalvorClusterRecord,
  type StoreReader,
  salvorClusterKey,
  salvorClusterSchema,
} from '@salvor/config-store';
import type {
  ClusterDescriptionInit,
  EngineDescriptionInit,
  IncidentDescriptionInit,
  OperationDescriptionInit,
  UnavailableShardInit,
} from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { handsOn } from './incident-hands.ts';
import { describeUnavailable } from './unavailable/unavailable-description.ts';

/** Reads what etcd holds and says it in the words of the contracts. */

export interface KnownCluster {
  readonly cluster: string;
  readonly record: SalvorClusterRecord;
  readonly storage: ClusterStorage;
}

/** Every cluster that Salvor looks after. */
export async function readClusters(store: StoreReader): Promise<KnownCluster[]> {
  return (await listClusters(store)).map(({ cluster, record, storage }) => ({
    cluster,
    record: parseRecord(salvorClusterSchema, record.key, record.value),
    storage: parseClusterStorage(storage.value),
  }));
}

export async function readCluster(store: ConfigStore, cluster: string): Promise<KnownCluster> {
  const keys = { record: salvorClusterKey(cluster), storage: clusterStorageKey(cluster) };
  const { entries } = await store.getMany(Object.values(keys));
  const record = recordIn(entries, keys.record, salvorClusterSchema);
  const storage = entries.get(keys.storage) ?? null;
  if (record === null || storage === null)
    throw new SalvorError('unknown-cluster', `there is no storage cluster ${cluster}`);
  return { cluster, record, storage: parseClusterStorage(storage.value) };
}

export async function openIncidents(store: ConfigStore): Promise<IncidentRecord[]> {
  const { entries } = await store.list(INCIDENTS_PREFIX);
  return entries.map(({ key, value }) => parseRecord(incidentSchema, key, value));
}

export function describeEngines(
  known: KnownCluster,
  incidents: readonly IncidentRecord[],
): EngineDescriptionInit[] {
  const { cluster, record, storage } = known;
  return storage.servers.map(({ address, db, status, state, generation, replacement }, shard) => {
    const incident = incidents.find((open) => open.cluster === cluster && open.shard === shard);
    return {
      cluster,
      role: record.role,
      shard,
      address,
      db,
      status,
      state,
      generation,
      ...(replacement === undefined ? {} : { replacement }),
      ...(incident === undefined ? {} : { incident: incident.id }),
    };
  });
}

export function describeCluster(
  known: KnownCluster,
  incidents: readonly IncidentRecord[],
): ClusterDescriptionInit {
  const { cluster, record } = known;
  const { role, status, partner, spares, retired, updatedAt } = record;
  return {
    cluster,
    role,
    status,
    ...(partner === undefined ? {} : { partner }),
    engines: describeEngines(known, incidents),
    spares: spares.map(({ address, db }) => ({ address, db })),
    retired: retired.map(({ address, db, incident, at }) => ({ address, db, incident, at })),
    updatedAt,
  };
}

export async function describeIncident(store: ConfigStore, id: string): Promise<IncidentDescriptionInit> {
  const shard = parseIncidentId(id);
  const open =
    shard === null ? undefined : (await openIncidents(store)).find((incident) => incident.id === id);
  if (open !== undefined) return incidentDescription(store, open);
  const key = closedIncidentKey(id);
  const closed = await store.get(key);
  if (closed === null) throw new SalvorError('unknown-incident', `there is no incident ${id}`);
  return incidentDescription(store, parseRecord(closedIncidentSchema, key, closed.value));
}

/** Open ones first, then, when asked for, those that ended, the latest first. */
export async function describeIncidents(
  store: ConfigStore,
  all: boolean,
): Promise<IncidentDescriptionInit[]> {
  const incidents: IncidentRecord[] = await openIncidents(store);
  if (all) {
    const { entries } = await store.list(CLOSED_INCIDENTS_PREFIX);
    const closed = entries.map(({ key, value }) => parseRecord(closedIncidentSchema, key, value));
    incidents.push(...closed.sort((a, b) => b.closedAt - a.closedAt));
  }
  return Promise.all(incidents.map((incident) => incidentDescription(store, incident)));
}

async function incidentDescription(
  store: ConfigStore,
  incident: IncidentRecord & Partial<Pick<ClosedIncident, 'closedAt' | 'outcome' | 'recovery'>>,
): Promise<IncidentDescriptionInit> {
  const {
    id,
    cluster,
    shard,
    address,
    db,
    status,
    attempt,
    openedAt,
    reporters,
    reportedTimes,
    verdict,
    replacement,
  } = incident;
  return {
    incident: id,
    cluster,
    shard,
    address,
    db,
    status: incident.closedAt === undefined ? status : 'closed',
    attempt,
    openedAt,
    ...(incident.closedAt === undefined ? {} : { closedAt: incident.closedAt }),
    ...(incident.outcome === undefined ? {} : { outcome: incident.outcome }),
    reporters: reporters.map(({ reporter, reason, at }) => ({ reporter, reason, at })),
    reportedTimes,
    ...(verdict === undefined
      ? {}
      : {
          verdict: {
            verdict: verdict.verdict,
            reason: verdict.reason,
            evidence: verdict.evidence.map(({ kind, detail, at, observer = '' }) => ({
              ...{ kind, detail, at, observer },
            })),
            by: verdict.by,
            at: verdict.at,
          },
        }),
    ...(replacement === undefined ? {} : { replacement }),
    ...(incident.repairKind === undefined ? {} : { repairKind: incident.repairKind }),
    history: incident.history.map(({ at, from, to, attempt: nth, reason, by, operation }) => ({
      at,
      from,
      to,
      attempt: nth,
      reason,
      by,
      operation,
    })),
    ...(await handsOn(store, incident)),
    ...(incident.recovery === undefined
      ? {}
      : {
          recovery: incident.recovery.id,
          ...(incident.recovery.result === undefined ? {} : { recoveryResult: incident.recovery.result }),
          ...(incident.recovery.endedAt === undefined ? {} : { recoveredAt: incident.recovery.endedAt }),
        }),
    unavailable: incident.closedAt === undefined ? await unavailableIn(store, id) : [],
  };
}

/** The shards without a live copy that an open incident is part of. */
async function unavailableIn(store: ConfigStore, incident: string): Promise<UnavailableShardInit[]> {
  const shards = await describeUnavailable(store);
  return shards.flatMap(({ incidents, ...shard }) => (incidents.includes(incident) ? [shard] : []));
}

export async function describeOperation(
  store: ConfigStore,
  operation: string,
): Promise<OperationDescriptionInit> {
  const record = await readOperation(store, operation);
  if (record === null) throw new SalvorError('unknown-operation', `there is no operation ${operation}`);
  return operationDescription(record);
}

/** The latest first, at most `limit` of them. */
export async function describeOperations(
  store: ConfigStore,
  { kind, subject, all, limit }: { kind?: string; subject?: string; all: boolean; limit: number },
): Promise<OperationDescriptionInit[]> {
  if (limit < 1)
    throw new SalvorError('invalid-limit', `limit is a number of operations, at least 1, found ${limit}`);
  const filter = { ...(kind === undefined ? {} : { kind }), ...(subject === undefined ? {} : { subject }) };
  const { operations } = await listOperations(store, { ...filter, running: !all });
  return operations.slice(0, limit).map(operationDescription);
}

export function operationDescription({
  operation,
  kind,
  reason,
  at,
  subject,
  work,
}: OperationRecord): OperationDescriptionInit {
  const about = { operation, kind, startedAt: at, ...(subject === undefined ? {} : { subject }) };
  if (work === undefined) return { ...about, status: 'completed', message: reason, endedAt: at };
  const { status, message, done, total, endedAt, code, cancel, updatedAt } = work;
  return {
    ...about,
    status,
    message,
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(done === undefined ? {} : { done }),
    ...(total === undefined ? {} : { total }),
    ...(code === undefined ? {} : { code }),
    updatedAt,
    cancelRequested: cancel !== undefined,
    paused: isPaused(work),
  };
}
