/** Creates and deletes vdisks: reads, asks the admission, and writes in the transaction that compares what was read. */
import { parseClusterStorage } from '../cluster-storage.ts';
import { ConfigValueError } from '../errors.ts';
import {
  clusterStorageKey,
  collectionKey,
  operationKey,
  ownerKey,
  salvorClusterKey,
  tlogConfigKey,
  tlogStateKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
  vdiskTemplateKey,
  vdiskTlogKey,
  vdiskVolumeKey,
} from '../keys.ts';
import { lifecycleIn, vdiskLifecycleSchema } from '../lifecycle/vdisk-lifecycle.ts';
import type { VdiskRemoval } from '../lifecycle/vdisk-removal.ts';
import { vdiskTemplateSchema } from '../lifecycle/vdisk-template.ts';
import { newTlogPuts } from '../tlog/tlog-admission.ts';
import type { TlogConfig } from '../tlog/tlog-records.ts';
import type { ConfigStore, Put } from '../types.ts';
import {
  formatVdiskNbd,
  formatVdiskStatic,
  parseVdiskNbd,
  parseVdiskStatic,
  type VdiskType,
} from '../vdisk-config.ts';
import { vdiskVolumeSchema } from '../volumes/volume-records.ts';
import { type AdmissionOptions, admit, type Entries, type VdiskAdmissionResult } from './admit-vdisk.ts';
import { unknownClusterRecord } from './cluster-snapshot.ts';
import { canonicalRequest } from './operation-mark.ts';
import { formatRecord, recordIn } from './record-text.ts';
import { operationSchema, ownerSchema, salvorClusterSchema } from './records.ts';
import {
  type AdmittingCluster,
  decideVdiskCreate,
  decideVdiskDelete,
  type TemplateState,
  type VdiskCreateRequest,
} from './vdisk-admission.ts';

export interface VdiskCreateOptions extends AdmissionOptions {
  /** Where its log is to be, when it gets one. */
  readonly tlogPlace?: Pick<TlogConfig, 'container' | 'containers' | 'begins'>;
}

/**
 * Creates a vdisk. The same operation id again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used.
 */
export async function createVdisk(
  store: ConfigStore,
  request: VdiskCreateRequest,
  options: VdiskCreateOptions,
): Promise<VdiskAdmissionResult> {
  const { vdisk, cluster, slaveCluster, templateVdisk } = request;
  if (vdisk === '' || cluster === '' || slaveCluster === '' || templateVdisk === '')
    return nameless(vdisk, options);
  const canonical = canonicalRequest('vdisk.create', { ...request });
  const clusters = [cluster, ...(slaveCluster === undefined ? [] : [slaveCluster])];
  const keys = [
    ...[vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskLifecycleKey(vdisk)],
    operationKey(options.operation),
    ...clusters.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)]),
    ...(templateVdisk === undefined ? [] : templateKeys(templateVdisk)),
  ];
  return admit(store, vdisk, 'vdisk.create', options, async () => {
    const home = templateVdisk === undefined ? [] : [cluster, ...(await homeOf(store, templateVdisk))];
    const { entries } = await store.getMany([...new Set([...keys, ...home.map(collectionKey)])]);
    const template =
      templateVdisk === undefined ? null : templateState(entries, templateVdisk, [...new Set(home)]);
    // It moved to another cluster in between: what was not read is not compared.
    const isHome = template?.nbd == null || home.includes(template.nbd.storageClusterID);
    if (!isHome) return 'conflict';
    const admission = decideVdiskCreate(
      {
        primary: clusterIn(entries, cluster),
        slave: slaveCluster === undefined ? null : clusterIn(entries, slaveCluster),
        exists: entries.get(vdiskStaticKey(vdisk)) != null || entries.get(vdiskNbdKey(vdisk)) != null,
        lifecycle: lifecycleIn(entries, vdisk),
        template,
        mark: recordIn(entries, operationKey(options.operation), operationSchema),
      },
      request,
      canonical,
    );
    const puts: Put[] = [];
    if (admission.static !== undefined && admission.nbd !== undefined) {
      puts.push({ key: vdiskStaticKey(vdisk), value: formatVdiskStatic(admission.static) });
      puts.push({ key: vdiskNbdKey(vdisk), value: formatVdiskNbd(admission.nbd) });
      const { operation, tlogPlace, now = Date.now } = options;
      if (request.tlog !== undefined && tlogPlace !== undefined)
        puts.push(
          ...newTlogPuts(vdisk, { ...tlogPlace, policy: request.tlog, enabledBy: operation, at: now() }),
        );
      if (template?.nbd != null && templateVdisk !== undefined) {
        const { storageClusterID, slaveStorageClusterID: slave } = template.nbd;
        const key = vdiskTemplateKey(vdisk);
        const { now = Date.now } = options;
        const source = { vdisk: templateVdisk, cluster: storageClusterID, at: now() };
        const record = slave === '' ? source : { ...source, slaveCluster: slave };
        puts.push({ key, value: formatRecord(vdiskTemplateSchema, key, record) });
      }
    }
    return { canonical, admission, entries, puts, deletes: [] };
  });
}

function templateKeys(template: string): string[] {
  return [vdiskStaticKey(template), vdiskNbdKey(template), vdiskTemplateKey(template)];
}

/** The cluster of a vdisk, none when there is no such vdisk. */
async function homeOf(store: ConfigStore, vdisk: string): Promise<string[]> {
  const entry = await store.get(vdiskNbdKey(vdisk));
  return entry === null ? [] : [parseVdiskNbd(entry.value).storageClusterID];
}

function templateState(entries: Entries, template: string, clusters: readonly string[]): TemplateState {
  const [fixed, nbd] = [entries.get(vdiskStaticKey(template)), entries.get(vdiskNbdKey(template))];
  return {
    static: fixed == null ? null : parseVdiskStatic(fixed.value),
    nbd: nbd == null ? null : parseVdiskNbd(nbd.value),
    isPending: entries.get(vdiskTemplateKey(template)) != null,
    collecting: clusters.filter((name) => entries.get(collectionKey(name)) != null),
  };
}

/**
 * Deletes a vdisk's configuration, and begins the operation that frees its blocks; its id is free once that has ended.
 * Refused while it is owned or a cluster of it is not healthy. Throws as createVdisk.
 */
export async function deleteVdisk(
  store: ConfigStore,
  vdisk: string,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  if (vdisk === '') return nameless(vdisk, options);
  const canonical = canonicalRequest('vdisk.delete', { vdisk });
  const own = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskTlogKey(vdisk)];
  const lifecycleAt = vdiskLifecycleKey(vdisk);
  const always = [
    ...own,
    ownerKey(vdisk),
    lifecycleAt,
    vdiskVolumeKey(vdisk),
    operationKey(options.operation),
  ];
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
    const volume = recordIn(entries, vdiskVolumeKey(vdisk), vdiskVolumeSchema)?.volume;
    const admission = decideVdiskDelete(
      {
        ...(volume === undefined ? {} : { volume }),
        exists: own.some((key) => entries.get(key) != null),
        clusters: names.flatMap((name) => clusterIn(entries, name) ?? []),
        owner: recordIn(entries, ownerKey(vdisk), ownerSchema),
        lifecycle: lifecycleIn(entries, vdisk),
        mark: recordIn(entries, operationKey(options.operation), operationSchema),
      },
      vdisk,
      canonical,
    );
    const { operation, now = Date.now } = options;
    const fixed = entries.get(vdiskStaticKey(vdisk));
    const removal: VdiskRemoval = { vdisk, type: typeIn(fixed?.value), clusters: names, done: [] };
    const tombstone = { state: 'deleting' as const, operations: [operation], at: now() };
    const puts = [{ key: lifecycleAt, value: formatRecord(vdiskLifecycleSchema, lifecycleAt, tombstone) }];
    const work = { message: `frees the blocks of vdisk ${vdisk}`, checkpoint: removal };
    return {
      canonical,
      admission,
      entries,
      puts,
      deletes: [...own, vdiskTemplateKey(vdisk), tlogConfigKey(vdisk), tlogStateKey(vdisk)],
      work,
    };
  });
}

export function clusterIn(entries: Entries, cluster: string): AdmittingCluster | null {
  const entry = entries.get(clusterStorageKey(cluster));
  if (entry == null) return null;
  const storage = parseClusterStorage(entry.value);
  const record = recordIn(entries, salvorClusterKey(cluster), salvorClusterSchema);
  return { cluster, servers: storage.servers, record: record ?? unknownClusterRecord(storage) };
}

/** Of a configuration that may be anything: what is deleted need not be readable. */
function typeIn(value: string | undefined): VdiskType {
  try {
    return value === undefined ? 'db' : parseVdiskStatic(value).type;
  } catch (error) {
    if (error instanceof ConfigValueError) return 'db';
    throw error;
  }
}

function clustersIn(value: string): string[] {
  const { storageClusterID, slaveStorageClusterID } = parseVdiskNbd(value);
  return [...new Set([storageClusterID, slaveStorageClusterID])].filter((name) => name !== '');
}

function nameless(vdisk: string, { operation }: AdmissionOptions): VdiskAdmissionResult {
  const reason = 'vdisk and cluster ids must not be empty';
  return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
}
