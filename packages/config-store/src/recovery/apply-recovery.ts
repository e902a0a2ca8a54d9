/** Loads a cluster and its recovery, decides, and stores the outcome in one transaction. */
import { formatClusterStorage, parseClusterStorage } from '../cluster-storage.ts';
import { type ClusterSnapshot, readCluster } from '../healing/cluster-snapshot.ts';
import { type RetryOptions, untilNoConflict } from '../healing/compare-and-set.ts';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { closedIncidentSchema, salvorClusterSchema } from '../healing/records.ts';
import { closedIncidentKey, clusterStorageKey, incidentKey, recoveryKey, salvorClusterKey } from '../keys.ts';
import type { Compare, ConfigStore, Put, StoreEntry } from '../types.ts';
import { decideRecovery } from './recovery-decision.ts';
import type { PrepareRecovery, RecoveryCode, RecoveryDecision, RecoveryInput } from './recovery-input.ts';
import { type RecoveryRecord, recoveryPairsMax, recoverySchema } from './recovery-record.ts';
import { pairedClusters } from './surviving-configuration.ts';

export interface RecoveryOptions extends RetryOptions {
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface RecoveryResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: RecoveryCode | 'unknown-cluster' | 'conflict';
  readonly reason: string;
  /** The recovery as it is now, where there is one. */
  readonly recovery: RecoveryRecord | null;
}

/** What the caller knows; what is stored is read here. */
export type RecoveryRequest = Exclude<RecoveryInput, PrepareRecovery> | Omit<PrepareRecovery, 'read'>;

/** @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used. */
export async function applyRecovery(
  store: ConfigStore,
  cluster: string,
  request: RecoveryRequest,
  { now = Date.now, ...retry }: RecoveryOptions = {},
): Promise<RecoveryResult> {
  const result = await untilNoConflict(async (): Promise<RecoveryResult | 'conflict'> => {
    const read = await readRecoveryState(store, cluster);
    if (read === null) {
      const reason = `there is no storage cluster ${cluster}`;
      return { outcome: 'refused', code: 'unknown-cluster', reason, recovery: null };
    }
    const { snapshot, recovery, entry } = read;
    const input = request.kind === 'prepare' ? { ...request, read: read.before } : request;
    const decision = decideRecovery({ cluster: snapshot.state, recovery }, input, now());
    const { outcome, code, reason } = decision;
    if (decision.recovery === undefined) return { outcome, code, reason, recovery };
    const next = await stored(store, read, decision, entry);
    return next === null ? 'conflict' : { outcome, code, reason, recovery: next };
  }, retry);
  if (result !== 'conflict') return result;
  const reason = `cluster ${cluster} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, recovery: null };
}

/** What a decision about a recovery would be now; nothing is stored. */
export async function previewRecovery(
  store: ConfigStore,
  cluster: string,
  request: RecoveryRequest,
  { now = Date.now }: RecoveryOptions = {},
): Promise<RecoveryDecision | null> {
  const read = await readRecoveryState(store, cluster);
  if (read === null) return null;
  const input = request.kind === 'prepare' ? { ...request, read: read.before } : request;
  return decideRecovery({ cluster: read.snapshot.state, recovery: read.recovery }, input, now());
}

export async function readRecovery(store: ConfigStore, cluster: string): Promise<RecoveryRecord | null> {
  const entry = await store.get(recoveryKey(cluster));
  return entry === null ? null : readable(entry);
}

interface ReadState {
  readonly snapshot: ClusterSnapshot;
  readonly recovery: RecoveryRecord | null;
  readonly entry: StoreEntry | null;
  readonly before: RecoveryRecord['before'];
}

async function readRecoveryState(store: ConfigStore, cluster: string): Promise<ReadState | null> {
  const own = await store.getMany([
    clusterStorageKey(cluster),
    salvorClusterKey(cluster),
    recoveryKey(cluster),
  ]);
  const storage = own.entries.get(clusterStorageKey(cluster));
  if (storage == null) return null;
  const partner = recordIn(own.entries, salvorClusterKey(cluster), salvorClusterSchema)?.partner;
  const other = partner === undefined ? null : await store.get(clusterStorageKey(partner));
  const theirs = other === null ? [] : parseClusterStorage(other.value).servers;
  const dark = parseClusterStorage(storage.value).servers.flatMap(({ status }, shard) =>
    status === 'online' || status === 'rip' || theirs[shard]?.status === 'online' ? [] : [shard],
  );
  const snapshot = await readCluster(store, {
    cluster,
    operations: [],
    shardsOf: () => dark.slice(0, recoveryPairsMax),
  });
  if (snapshot === null) return null;
  const entry = own.entries.get(recoveryKey(cluster)) ?? null;
  const slaveStorage = snapshot.state.partner === undefined ? undefined : other?.value;
  return {
    ...{ snapshot, entry },
    recovery: entry === null ? null : readable(entry),
    before: {
      storage: storage.value,
      ...(slaveStorage === undefined ? {} : { slaveStorage }),
      revision: own.revision,
    },
  };
}

/** The revision that put the new configuration in force is that of the record itself, until the record is written again. */
function readable({ key, value, revision }: StoreEntry): RecoveryRecord {
  const record = parseRecord(recoverySchema, key, value);
  return record.after !== undefined && record.after.revision === undefined
    ? { ...record, after: { revision } }
    : record;
}

/** The record as it was stored; null when something that was read has changed. */
async function stored(
  store: ConfigStore,
  { snapshot }: ReadState,
  { recovery, clusters, closed = [], code }: RecoveryDecision,
  entry: StoreEntry | null,
): Promise<RecoveryRecord | null> {
  if (recovery === undefined) return null;
  const key = recoveryKey(recovery.cluster);
  const puts: Put[] = [{ key, value: formatRecord(recoverySchema, key, recovery) }];
  const deletes: string[] = [];
  const compare: Compare[] = [...snapshot.compare, { key, revision: entry?.revision ?? 'absent' }];
  const before = pairedClusters(snapshot.state);
  for (const side of ['primary', 'slave'] as const) {
    const [was, is] = [before[side], clusters?.[side]];
    if (was === null || is == null) continue;
    const { cluster, storage, record } = is;
    if (storage !== was.storage)
      puts.push({ key: clusterStorageKey(cluster), value: formatClusterStorage(storage) });
    const recordKey = salvorClusterKey(cluster);
    puts.push({ key: recordKey, value: formatRecord(salvorClusterSchema, recordKey, record) });
  }
  for (const incident of closed) {
    const closedKey = closedIncidentKey(incident.id);
    puts.push({ key: closedKey, value: formatRecord(closedIncidentSchema, closedKey, incident) });
    deletes.push(incidentKey(incident.cluster, incident.shard));
  }
  if (code === 'done') {
    const told = await toldIncidents(store, recovery);
    puts.push(...told.puts);
    compare.push(...told.compare);
  }
  const { ok, revision } = await store.transact({ compare, puts, deletes });
  if (!ok) return null;
  return code === 'begun' ? { ...recovery, after: { revision } } : recovery;
}

/** The incidents that it all began with say how it ended. */
async function toldIncidents(
  store: ConfigStore,
  { id, pairs, reason, endedAt }: RecoveryRecord,
): Promise<{ puts: Put[]; compare: Compare[] }> {
  const keys = pairs.flatMap(({ members, survivor }) =>
    [...members, ...(survivor === undefined ? [] : [survivor])].map(({ incident }) =>
      closedIncidentKey(incident),
    ),
  );
  const { entries } = await store.getMany(keys);
  const puts: Put[] = [];
  const compare: Compare[] = [];
  for (const [key, entry] of entries) {
    if (entry === null) continue; // dropped meanwhile, as old records are
    const incident = parseRecord(closedIncidentSchema, key, entry.value);
    const recovery = { id, result: reason, ...(endedAt === undefined ? {} : { endedAt }) };
    puts.push({ key, value: formatRecord(closedIncidentSchema, key, { ...incident, recovery }) });
    compare.push({ key, revision: entry.revision });
  }
  return { puts, compare };
}
