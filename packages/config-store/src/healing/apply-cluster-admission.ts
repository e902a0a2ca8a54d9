/** Creates clusters and adds spares, each in one transaction; addresses stay unique over all clusters. */
import { formatClusterStorage } from '../cluster-storage.ts';
import { clusterStorageKey, operationKey, SALVOR_PREFIX, salvorClusterKey } from '../keys.ts';
import type { ConfigStore, Put } from '../types.ts';
import type { AdmissionOptions } from './admit-vdisk.ts';
import {
  type AdmissionCause,
  type ClusterAdmission,
  type ClusterAdmissionCode,
  type ClusterAdmissionState,
  type ClusterCreateRequest,
  decideClusterCreate,
  decideSpareRemove,
  decideSparesAdd,
  type SpareRemoveRequest,
  type SparesAddRequest,
} from './cluster-admission.ts';
import { ClusterIndex, readClusterShapes } from './cluster-index.ts';
import { untilNoConflict } from './compare-and-set.ts';
import { canonicalRequest, markOf } from './operation-mark.ts';
import { formatRecord, recordIn } from './record-text.ts';
import { operationSchema, salvorClusterSchema } from './records.ts';

export interface ClusterAdmissionResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: ClusterAdmissionCode | 'conflict';
  readonly reason: string;
  readonly cluster: string;
  readonly operation: string;
}

/**
 * Written by every admission that takes addresses: two that run at once cannot both have looked at the
 * clusters before the other's was there.
 */
export const clusterAdmissionKey = `${SALVOR_PREFIX}cluster-admission`;

/** @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used. */
export async function createCluster(
  store: ConfigStore,
  request: ClusterCreateRequest,
  options: AdmissionOptions,
): Promise<ClusterAdmissionResult> {
  const canonical = canonicalRequest('cluster.create', { ...request });
  return admit(store, request.cluster, 'cluster.create', canonical, options, (state, cause) =>
    decideClusterCreate(state, request, canonical, cause),
  );
}

/** What {@link createCluster} would answer now; changes nothing. Throws as createCluster. */
export async function previewCluster(
  store: ConfigStore,
  request: ClusterCreateRequest,
  options: AdmissionOptions,
): Promise<ClusterAdmissionResult> {
  const canonical = canonicalRequest('cluster.create', { ...request });
  const readOnly: ConfigStore = { ...store, transact: async () => ({ ok: true, revision: '0' }) };
  return admit(readOnly, request.cluster, 'cluster.create', canonical, options, (state, cause) =>
    decideClusterCreate(state, request, canonical, cause),
  );
}

/** Gives a cluster spares. A verdict that waits for one must be given again after it. Throws as createCluster. */
export async function addSpares(
  store: ConfigStore,
  request: SparesAddRequest,
  options: AdmissionOptions,
): Promise<ClusterAdmissionResult> {
  const canonical = canonicalRequest('cluster.add-spares', { ...request });
  return admit(store, request.cluster, 'cluster.add-spares', canonical, options, (state, cause) =>
    decideSparesAdd(state, request, canonical, cause),
  );
}

/** Takes an idle spare out of a cluster. Throws as createCluster. */
export async function removeSpare(
  store: ConfigStore,
  request: SpareRemoveRequest,
  options: AdmissionOptions,
): Promise<ClusterAdmissionResult> {
  const { cluster, address } = request;
  const canonical = canonicalRequest('cluster.remove-spare', { cluster, address });
  return admit(store, cluster, 'cluster.remove-spare', canonical, options, (state, cause) =>
    decideSpareRemove(state, request, canonical, cause),
  );
}

async function admit(
  store: ConfigStore,
  cluster: string,
  kind: string,
  canonical: string,
  { operation, by, now = Date.now, ...retry }: AdmissionOptions,
  decide: (state: ClusterAdmissionState, cause: AdmissionCause) => ClusterAdmission,
): Promise<ClusterAdmissionResult> {
  const result = await untilNoConflict(async (): Promise<ClusterAdmissionResult | 'conflict'> => {
    // The guard is read before the clusters: one that appears after this read changes the guard.
    const guard = await store.getMany([clusterAdmissionKey, operationKey(operation)]);
    const shapes = await readClusterShapes(store);
    const cause = { operation, at: now() };
    const admission = decide(
      {
        clusters: [...shapes].map(([name, shape]) => ({ cluster: name, ...shape })),
        mark: recordIn(guard.entries, operationKey(operation), operationSchema),
      },
      cause,
    );
    const { outcome, code, reason, storage, records } = admission;
    if (outcome !== 'applied') return { outcome, code, reason, cluster, operation };

    if (storage !== undefined && (await isTaken(store, cluster))) {
      const broken = `cluster ${cluster} exists, but its configuration cannot be read; repair or delete it first`;
      return { outcome: 'refused', code: 'cluster-exists', reason: broken, cluster, operation };
    }
    const puts: Put[] = [
      markOf({ operation, kind, request: canonical, outcome, reason, answer: { cluster, by }, at: cause.at }),
      { key: clusterAdmissionKey, value: JSON.stringify({ operation, at: cause.at }) },
    ];
    if (storage !== undefined)
      puts.push({ key: clusterStorageKey(cluster), value: formatClusterStorage(storage) });
    for (const [name, record] of records) {
      const key = salvorClusterKey(name);
      puts.push({ key, value: formatRecord(salvorClusterSchema, key, record) });
    }
    const compare = [...guard.entries].map(([key, entry]) => ({
      key,
      revision: entry?.revision ?? 'absent',
    }));
    const involved = new Set([cluster, ...records.keys()]);
    for (const name of involved) {
      const shape = shapes.get(name);
      compare.push({ key: clusterStorageKey(name), revision: shape?.storageRevision ?? 'absent' });
      compare.push({ key: salvorClusterKey(name), revision: shape?.recordRevision ?? 'absent' });
    }
    const stored = await store.transact({ compare, puts });
    if (!stored.ok) return 'conflict';
    await ClusterIndex.of(store).refresh();
    return { outcome, code, reason, cluster, operation };
  }, retry);
  if (result !== 'conflict') return result;
  const reason = `the clusters were changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, cluster, operation };
}

async function isTaken(store: ConfigStore, cluster: string): Promise<boolean> {
  const { entries } = await store.getMany([clusterStorageKey(cluster), salvorClusterKey(cluster)]);
  return [...entries.values()].some((entry) => entry !== null);
}
