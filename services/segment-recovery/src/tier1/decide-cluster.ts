/** The keys of a cluster, made to fit together where they are from different times. Pure. */
import {
  ConfigValueError,
  clusterStorageKey,
  formatClusterStorage,
  incidentSchema,
  parseClusterStorage,
  parseKey,
  parseRecord,
  type ServerEntry,
  stateOfStatus,
} from '@salvor/config-store';
import { deduced, type KeyDecision, withheld, writes } from './decide-key.ts';

export interface ClusterDecision {
  readonly keys: readonly KeyDecision[];
  readonly doubts: readonly string[];
}

export interface StorageSources {
  readonly etcd: string | null;
  readonly configuration: string | null;
  /** Etcd's is of the same history, and behind the configuration. */
  readonly isNewerInEtcd: boolean;
}

/**
 * Of the configuration and the incidents of a cluster each may have survived where the other has not. An engine that any of them
 * knows to be bad is bad, but where etcd is known to be the newer one: an engine that is online wrongly would be read from.
 */
export function decideCluster(
  cluster: string,
  decisions: readonly KeyDecision[],
  /** Of its storage. */
  known: StorageSources,
): ClusterDecision {
  const doubts: string[] = [];
  const storageKey = clusterStorageKey(cluster);
  const storage = decisions.find(({ key }) => key === storageKey);
  if (storage?.value == null)
    return {
      keys: decisions,
      doubts: [
        `cluster ${cluster}: no source has its engines; what else there is of it is brought back, and serves nothing`,
      ],
    };
  try {
    const { keys, value } = fitted(cluster, decisions, { ...storage, ...known }, doubts);
    const fact = 'an engine that any of configuration, etcd and incidents knows to be bad is bad';
    return {
      keys: keys.map((one) => {
        if (one.key !== storageKey) return one;
        const decided = deduced(one, value, ['configuration', 'etcd'], fact);
        return writes(decided) && value === known.etcd ? { ...decided, action: 'kept' } : decided;
      }),
      doubts,
    };
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    return { keys: decisions, doubts: [`cluster ${cluster}: ${error.message}`] };
  }
}

/** @throws ConfigValueError */
function fitted(
  cluster: string,
  decisions: readonly KeyDecision[],
  storage: KeyDecision & StorageSources,
  doubts: string[],
): { keys: KeyDecision[]; value: string } {
  const { servers, ...more } = parseClusterStorage(storage.value ?? '');
  const { isNewerInEtcd } = storage;
  const entries = isNewerInEtcd ? [...servers] : servers.map((entry, shard) => worst(entry, shard, storage));
  entries.forEach((entry, shard) => {
    if (entry !== servers[shard])
      doubts.push(
        `cluster ${cluster}, shard ${shard}: ${entry.address} is ${entry.status} by one of etcd and the configuration, and not by the other: it is taken to be bad`,
      );
  });
  const withIncident = new Set<number>();
  const keys = decisions.map((decision) => {
    const about = parseKey(decision.key);
    if (about?.kind !== 'incident' || decision.value === null) return decision;
    const incident = parseRecord(incidentSchema, decision.key, decision.value);
    const entry = entries[about.shard];
    if (entry === undefined) return decision;
    if (isNewerInEtcd && writes(decision) && entry.status === 'online')
      return withheld(decision, `etcd has its engine online since revision ${storage.found}: it was closed`);
    withIncident.add(about.shard);
    if (isNewerInEtcd || entry.status !== 'online') return decision;
    if (entry.address !== incident.address || entry.db !== incident.db) {
      doubts.push(
        `cluster ${cluster}, shard ${about.shard}: the incident that survived is about ${incident.address}, and the configuration has ${entry.address}`,
      );
      return decision;
    }
    entries[about.shard] = {
      ...{ ...entry, status: incident.status, state: stateOfStatus[incident.status] },
      ...(incident.replacement === undefined ? {} : { replacement: incident.replacement }),
    };
    doubts.push(
      `cluster ${cluster}, shard ${about.shard}: ${entry.address} is ${incident.status}, as the incident ${incident.id} says; what else there is had it online`,
    );
    return decision;
  });
  entries.forEach(({ status, address }, shard) => {
    if (status !== 'online' && status !== 'rip' && !withIncident.has(shard))
      doubts.push(
        `cluster ${cluster}, shard ${shard}: ${address} is ${status}, and no source has its incident; 'salvor engine bring-online' or 'salvor engine retire' settles it`,
      );
  });
  const isSame = entries.every((entry, i) => entry === servers[i]);
  return {
    keys,
    value: isSame ? (storage.value ?? '') : formatClusterStorage({ ...more, servers: entries }),
  };
}

/** Worst last. */
const BADNESS: readonly ServerEntry['status'][] = [
  'online',
  'repair-tmp-outage',
  'repair-final-outage',
  'offline',
  'rip',
];

/** Of one engine in one place, as etcd and the configuration have it. */
function worst(entry: ServerEntry, shard: number, { etcd, configuration }: StorageSources): ServerEntry {
  return [etcd, configuration]
    .flatMap((value) => (value === null ? [] : [parseClusterStorage(value).servers[shard]]))
    .reduce<ServerEntry>(
      (most, one) =>
        one !== undefined &&
        one.address === entry.address &&
        one.db === entry.db &&
        BADNESS.indexOf(one.status) > BADNESS.indexOf(most.status)
          ? one
          : most,
      entry,
    );
}
