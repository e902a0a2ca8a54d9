/** A cluster's state as etcd holds it at one revision, with the conditions that it is still so. */
import { type ClusterStorage, parseClusterStorage } from '../cluster-storage.ts';
import { ConfigValueError } from '../errors.ts';
import {
  clusterStorageKey,
  healingClusterKey,
  healingEverywhereKey,
  incidentKey,
  operationKey,
  salvorClusterKey,
} from '../keys.ts';
import type { Compare, ConfigStore, StoreEntry } from '../types.ts';
import type { ClusterState, PartnerState, RecordedAt } from './cluster-state.ts';
import { judgeCluster } from './cluster-status.ts';
import { recordIn } from './record-text.ts';
import {
  type HealingControls,
  healingControlsSchema,
  type IncidentRecord,
  incidentSchema,
  type OperationRecord,
  operationSchema,
  type SalvorClusterRecord,
  salvorClusterSchema,
} from './records.ts';

/** What is read besides the cluster itself. It may be guessed: a wrong guess costs one more read. */
export interface SnapshotGuess {
  readonly shards: readonly number[];
  readonly partner?: string;
}

export interface SnapshotRequest {
  readonly cluster: string;
  /** Whose marks are read too. */
  readonly operations: readonly string[];
  /** The shards whose incidents the decision looks at. */
  readonly shardsOf: (storage: ClusterStorage) => readonly number[];
  readonly guess?: SnapshotGuess;
}

export interface ClusterSnapshot {
  readonly state: ClusterState;
  /** What the operations did that were applied before. */
  readonly operations: ReadonlyMap<string, OperationRecord>;
  /** Every key read, at the revision it was read at. */
  readonly compare: readonly Compare[];
  readonly guess: SnapshotGuess;
}

type Entries = ReadonlyMap<string, StoreEntry | null>;

const guessesMax = 4;

/** Reads a cluster at one revision, in one round trip when the guess is right. Null when there is no such cluster. */
export async function readCluster(
  store: ConfigStore,
  request: SnapshotRequest,
): Promise<ClusterSnapshot | null> {
  let guess = request.guess ?? { shards: [] };
  for (let round = 1; round <= guessesMax; round++) {
    const { entries } = await store.getMany(keysOf(request, guess));
    const wanted = wantedBy(request, entries);
    if (wanted === null) return null;
    const snapshot = snapshotOf(request, guess, entries);
    if (snapshot !== null) return snapshot;
    guess = wanted;
  }
  throw new Error(
    `the configuration of cluster ${request.cluster} changed ${guessesMax} times while it was read`,
  );
}

/** The same from entries already at hand; null when they are not those that the decision needs. */
export function snapshotOf(
  request: SnapshotRequest,
  guess: SnapshotGuess,
  entries: Entries,
): ClusterSnapshot | null {
  const wanted = wantedBy(request, entries);
  const covered =
    wanted !== null &&
    wanted.partner === guess.partner &&
    wanted.shards.every((shard) => guess.shards.includes(shard));
  return covered ? assemble(request, guess, entries) : null;
}

/** The record of a cluster that Salvor meets for the first time, configured by other tools. */
export function unknownClusterRecord(storage: ClusterStorage): SalvorClusterRecord {
  const { status } = judgeCluster(storage.servers, 'primary');
  return {
    status,
    role: 'primary',
    spares: [],
    retired: [],
    lastOnlineAt: {},
    updatedAt: 0,
    operation: 'none',
  };
}

function keysOf({ cluster, operations }: SnapshotRequest, { shards, partner }: SnapshotGuess): string[] {
  return [
    clusterStorageKey(cluster),
    salvorClusterKey(cluster),
    ...operations.map(operationKey),
    healingEverywhereKey,
    healingClusterKey(cluster),
    ...shards.map((shard) => incidentKey(cluster, shard)),
    ...(partner === undefined
      ? []
      : [
          clusterStorageKey(partner),
          salvorClusterKey(partner),
          ...shards.map((shard) => incidentKey(partner, shard)),
        ]),
  ];
}

function wantedBy(request: SnapshotRequest, entries: Entries): SnapshotGuess | null {
  const storage = storageIn(entries, request.cluster);
  if (storage === null) return null;
  const partner = clusterRecordIn(entries, request.cluster)?.partner;
  return { shards: request.shardsOf(storage), ...(partner === undefined ? {} : { partner }) };
}

function assemble(request: SnapshotRequest, guess: SnapshotGuess, entries: Entries): ClusterSnapshot | null {
  const { cluster } = request;
  const storage = storageIn(entries, cluster);
  const revision = entries.get(clusterStorageKey(cluster))?.revision;
  if (storage === null || revision === undefined) return null;
  const shards = guess.shards.filter((shard) => shard < storage.servers.length);
  const partner = guess.partner === undefined ? null : partnerIn(entries, guess.partner, shards);
  const everywhere = controlsIn(entries, healingEverywhereKey);
  const own = controlsIn(entries, healingClusterKey(cluster));
  const keys = keysOf(request, guess);
  return {
    state: {
      cluster,
      revision,
      storage,
      record: clusterRecordIn(entries, cluster) ?? unknownClusterRecord(storage),
      ...incidentsIn(entries, cluster, shards),
      ...(partner === null ? {} : { partner }),
      controls: {
        ...(everywhere === null ? {} : { everywhere }),
        ...(own === null ? {} : { cluster: own }),
      },
    },
    operations: marksIn(entries, request.operations),
    compare: keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? 'absent' })),
    guess,
  };
}

function incidentsIn(
  entries: Entries,
  cluster: string,
  shards: readonly number[],
): { incidents: Map<number, IncidentRecord>; recorded: Map<number, RecordedAt> } {
  const incidents = new Map<number, IncidentRecord>();
  const recorded = new Map<number, RecordedAt>();
  for (const shard of shards) {
    const entry = entries.get(incidentKey(cluster, shard));
    const incident = recordIn(entries, incidentKey(cluster, shard), incidentSchema);
    if (entry == null || incident === null) continue;
    incidents.set(shard, incident);
    recorded.set(shard, {
      openedIn: incident.openedIn ?? Number(entry.createRevision),
      changedIn: Number(entry.revision),
    });
  }
  return { incidents, recorded };
}

function partnerIn(entries: Entries, cluster: string, shards: readonly number[]): PartnerState | null {
  const storage = storageIn(entries, cluster);
  const record = clusterRecordIn(entries, cluster);
  if (storage === null) return null;
  return {
    cluster,
    storage,
    ...(record === null ? {} : { record }),
    ...readableIncidents(entries, cluster, shards),
  };
}

/** A bad record of the partner must not keep this cluster's failures from being recorded. */
function readableIncidents(
  entries: Entries,
  cluster: string,
  shards: readonly number[],
): Pick<PartnerState, 'incidents' | 'recorded'> {
  try {
    return incidentsIn(entries, cluster, shards);
  } catch (error) {
    if (error instanceof ConfigValueError) return {};
    throw error;
  }
}

/** A record that cannot be read may be a pause: nothing is judged until it can, and failures are recorded as ever. */
function controlsIn(entries: Entries, key: string): HealingControls | null {
  try {
    return recordIn(entries, key, healingControlsSchema);
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    const pause = { by: 'nobody', at: 0, reason: error.message, operation: 'none' };
    return { pause, downtimes: [], log: [] };
  }
}

function storageIn(entries: Entries, cluster: string): ClusterStorage | null {
  const entry = entries.get(clusterStorageKey(cluster));
  return entry == null ? null : parseClusterStorage(entry.value);
}

function marksIn(entries: Entries, operations: readonly string[]): Map<string, OperationRecord> {
  const marks = operations.flatMap((operation): [string, OperationRecord][] => {
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    return mark === null ? [] : [[operation, mark]];
  });
  return new Map(marks);
}

function clusterRecordIn(entries: Entries, cluster: string): SalvorClusterRecord | null {
  return recordIn(entries, salvorClusterKey(cluster), salvorClusterSchema);
}
