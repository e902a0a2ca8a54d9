/** Creates and deletes vdisks: reads, asks the admission, and writes in the transaction that compares what was read. */
import { parseClusterStorage } from '../cluster-storage.ts';
import {
  clusterStorageKey,
  operationKey,
  ownerKey,
  salvorClusterKey,
  vdiskNbdKey,
  vdiskStaticKey,
  vdiskTlogKey,
} from '../keys.ts';
import type { ConfigStore, Put, StoreEntry } from '../types.ts';
import { formatVdiskNbd, formatVdiskStatic, parseVdiskNbd } from '../vdisk-config.ts';
import { unknownClusterRecord } from './cluster-snapshot.ts';
import { type RetryOptions, untilNoConflict } from './compare-and-set.ts';
import { canonicalRequest, markOf } from './operation-mark.ts';
import { recordIn } from './record-text.ts';
import { operationSchema, ownerSchema, salvorClusterSchema } from './records.ts';
import {
  type AdmittingCluster,
  decideVdiskCreate,
  decideVdiskDelete,
  type VdiskAdmission,
  type VdiskAdmissionCode,
  type VdiskCreateRequest,
} from './vdisk-admission.ts';

export interface AdmissionOptions extends RetryOptions {
  readonly operation: string;
  /** Who asks, for the audit trail. */
  readonly by: string;
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface VdiskAdmissionResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: VdiskAdmissionCode | 'conflict';
  readonly reason: string;
  readonly vdisk: string;
  readonly operation: string;
  /** When it was done, Unix milliseconds; also for a repeat. */
  readonly at?: number;
  /** Store revision at which it was applied: owners from before have a lower epoch, owners from after a higher one. */
  readonly revision?: string;
}

type Entries = ReadonlyMap<string, StoreEntry | null>;

/**
 * Creates a vdisk. The same operation id again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used.
 */
export async function createVdisk(
  store: ConfigStore,
  request: VdiskCreateRequest,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { vdisk, cluster, slaveCluster } = request;
  if (vdisk === '' || cluster === '' || slaveCluster === '') return nameless(vdisk, options);
  const canonical = canonicalRequest('vdisk.create', { ...request });
  const clusters = [cluster, ...(slaveCluster === undefined ? [] : [slaveCluster])];
  const keys = [
    ...[vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), operationKey(options.operation)],
    ...clusters.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)]),
  ];
  return admit(store, vdisk, 'vdisk.create', options, async () => {
    const { entries } = await store.getMany(keys);
    const admission = decideVdiskCreate(
      {
        primary: clusterIn(entries, cluster),
        slave: slaveCluster === undefined ? null : clusterIn(entries, slaveCluster),
        exists: entries.get(vdiskStaticKey(vdisk)) != null || entries.get(vdiskNbdKey(vdisk)) != null,
        mark: recordIn(entries, operationKey(options.operation), operationSchema),
      },
      request,
      canonical,
    );
    const puts: Put[] = [];
    if (admission.static !== undefined && admission.nbd !== undefined) {
      puts.push({ key: vdiskStaticKey(vdisk), value: formatVdiskStatic(admission.static) });
      puts.push({ key: vdiskNbdKey(vdisk), value: formatVdiskNbd(admission.nbd) });
    }
    return { canonical, admission, entries, puts, deletes: [] };
  });
}

/** Deletes a vdisk's configuration. Refused while it is owned or a cluster of it is not healthy. Throws as createVdisk. */
export async function deleteVdisk(
  store: ConfigStore,
  vdisk: string,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  if (vdisk === '') return nameless(vdisk, options);
  const canonical = canonicalRequest('vdisk.delete', { vdisk });
  const own = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskTlogKey(vdisk)];
  const always = [...own, ownerKey(vdisk), operationKey(options.operation)];
  return admit(store, vdisk, 'vdisk.delete', options, async () => {
    const nbd = await store.get(vdiskNbdKey(vdisk));
    const names = nbd === null ? [] : clustersIn(nbd.value);
    // The storage key is among those read again and compared, so a change in between is a conflict or seen here.
    const { entries } = await store.getMany([
      ...always,
      ...names.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)]),
    ]);
    const isSame = entries.get(vdiskNbdKey(vdisk))?.revision === nbd?.revision;
    if (!isSame) return 'conflict';
    const admission = decideVdiskDelete(
      {
        exists: own.some((key) => entries.get(key) != null),
        clusters: names.flatMap((name) => clusterIn(entries, name) ?? []),
        owner: recordIn(entries, ownerKey(vdisk), ownerSchema),
        mark: recordIn(entries, operationKey(options.operation), operationSchema),
      },
      vdisk,
      canonical,
    );
    return { canonical, admission, entries, puts: [], deletes: own };
  });
}

interface Attempt {
  readonly canonical: string;
  readonly admission: VdiskAdmission;
  readonly entries: Entries;
  readonly puts: readonly Put[];
  readonly deletes: readonly string[];
}

async function admit(
  store: ConfigStore,
  vdisk: string,
  kind: 'vdisk.create' | 'vdisk.delete',
  { operation, by, now = Date.now, ...retry }: AdmissionOptions,
  read: () => Promise<Attempt | 'conflict'>,
): Promise<VdiskAdmissionResult> {
  const result = await untilNoConflict(async (): Promise<VdiskAdmissionResult | 'conflict'> => {
    const attempt = await read();
    if (attempt === 'conflict') return 'conflict';
    const { admission, entries, puts, deletes } = attempt;
    const { outcome, code, reason } = admission;
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    const doneAt = outcome === 'already' && mark !== null ? { at: mark.at } : {};
    if (outcome !== 'applied') return { outcome, code, reason, vdisk, operation, ...doneAt };
    const at = now();
    const done = markOf({
      operation,
      kind,
      request: attempt.canonical,
      outcome,
      reason,
      answer: { vdisk, by },
      at,
    });
    const stored = await store.transact({
      compare: [...entries].map(([key, entry]) => ({ key, revision: entry?.revision ?? 'absent' })),
      puts: [done, ...puts],
      deletes,
    });
    return stored.ok
      ? { outcome, code, reason, vdisk, operation, at, revision: stored.revision }
      : 'conflict';
  }, retry);
  if (result !== 'conflict') return result;
  const reason = `the configuration of vdisk ${vdisk} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, vdisk, operation };
}

function clusterIn(entries: Entries, cluster: string): AdmittingCluster | null {
  const entry = entries.get(clusterStorageKey(cluster));
  if (entry == null) return null;
  const storage = parseClusterStorage(entry.value);
  const record = recordIn(entries, salvorClusterKey(cluster), salvorClusterSchema);
  return { cluster, servers: storage.servers, record: record ?? unknownClusterRecord(storage) };
}

function clustersIn(value: string): string[] {
  const { storageClusterID, slaveStorageClusterID } = parseVdiskNbd(value);
  return [...new Set([storageClusterID, slaveStorageClusterID])].filter((name) => name !== '');
}

function nameless(vdisk: string, { operation }: AdmissionOptions): VdiskAdmissionResult {
  const reason = 'vdisk and cluster ids must not be empty';
  return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
}
