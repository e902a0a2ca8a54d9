/** A new vdisk that is made from a file in Tier-2. */
import { z } from 'zod';
import {
  type AdmissionOptions,
  admit,
  type Entries,
  type VdiskAdmissionResult,
} from '../healing/admit-vdisk.ts';
import { clusterIn } from '../healing/apply-vdisk-admission.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { decideVdiskCreate, type VdiskAdmission, type VdiskCreateState } from '../healing/vdisk-admission.ts';
import {
  clusterStorageKey,
  operationKey,
  ownerKey,
  salvorClusterKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import type { ConfigStore, Put, Transaction } from '../types.ts';
import { formatVdiskNbd, formatVdiskStatic } from '../vdisk-config.ts';
import { lifecycleIn, type VdiskLifecycle, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';
import { vdiskRemovalSchema } from './vdisk-removal.ts';

export interface VdiskImportRequest {
  /** Path of the file in Tier-2. */
  readonly path: string;
  /** Id of the new vdisk. */
  readonly vdisk: string;
  readonly cluster: string;
  readonly slaveCluster?: string;
}

/** Checkpoint of the operation that imports a vdisk. */
export const vdiskImportSchema = z.looseObject({
  path: z.string().min(1),
  vdisk: z.string().min(1),
  cluster: z.string().min(1),
  slaveCluster: z.string().min(1).optional(),
  /** `check`: the file is read through, and nothing is made yet; `discard`: what was made is freed. */
  phase: z.enum(['check', 'fill', 'verify', 'discard']).default('check'),
  /** Digest of the file and how many blocks it has, once it was checked. */
  sha256: z.string().optional(),
  blocks: z.number().int().min(0).optional(),
  /** Where in the file the next block is that is not written yet. */
  next: z.number().int().min(0).optional(),
  /** What is left to free, once it is given up. */
  removal: vdiskRemovalSchema.optional(),
  /** Why it is given up, once it is. */
  failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});
export type VdiskImport = z.output<typeof vdiskImportSchema>;

/** What the file says of the vdisk. */
export interface ImportedShape {
  readonly type: string;
  readonly sizeGiB: number;
  readonly blockSize: number;
}

/** Of a vdisk whose file has not been read yet: any shape that can be created. */
const ANY_SHAPE: ImportedShape = { type: 'db', sizeGiB: 1, blockSize: 4096 };

/**
 * Begins the operation that imports a vdisk; its id is taken from then on. The same operation id again changes nothing and
 * gives the same answer. Throws as createVdisk.
 */
export async function importVdisk(
  store: ConfigStore,
  request: VdiskImportRequest,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { path, vdisk, cluster, slaveCluster } = request;
  const { operation, now = Date.now } = options;
  if ([vdisk, cluster, slaveCluster].includes('')) {
    const reason = 'vdisk and cluster ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('vdisk.import', { ...request });
  const keys = [...keysOf(request), operationKey(operation)];
  return admit(store, vdisk, 'vdisk.import', options, async () => {
    const { entries } = await store.getMany(keys);
    const lifecycle = lifecycleIn(entries, vdisk);
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    const decided = decide(entries, request, ANY_SHAPE, { lifecycle, mark }, canonical);
    const { static: _, nbd: __, ...admission } = decided;
    const where = `${cluster}${slaveCluster === undefined ? '' : ` and ${slaveCluster}`}`;
    const reason = `vdisk ${vdisk} is being made from ${path} on ${where}`;
    const work = { message: `imports vdisk ${vdisk} from ${path}`, checkpoint: request };
    if (admission.outcome !== 'applied') return { canonical, admission, entries, puts: [], deletes: [] };
    const puts = [lifecyclePut(vdisk, { state: 'importing', operations: [operation], at: now() })];
    return { canonical, admission: { ...admission, reason }, entries, puts, deletes: [], work };
  });
}

/** What is written when the shape of the vdisk is known: from then on it exists; or why it cannot be made. */
export async function importCreates(
  store: ConfigStore,
  request: VdiskImportRequest,
  shape: ImportedShape,
  operation: string,
): Promise<{ readonly admission: VdiskAdmission; readonly effects: Partial<Transaction> }> {
  const { vdisk } = request;
  const { entries } = await store.getMany(keysOf(request));
  const lifecycle = lifecycleIn(entries, vdisk);
  const isOurs = lifecycle?.operations.includes(operation) === true;
  const admission = decide(entries, request, shape, { lifecycle: isOurs ? null : lifecycle, mark: null }, '');
  const compare = [...entries].map(([key, entry]) => ({
    key,
    revision: entry?.revision ?? ('absent' as const),
  }));
  if (admission.static === undefined || admission.nbd === undefined) return { admission, effects: {} };
  const puts: Put[] = [
    { key: vdiskStaticKey(vdisk), value: formatVdiskStatic(admission.static) },
    { key: vdiskNbdKey(vdisk), value: formatVdiskNbd(admission.nbd) },
  ];
  return { admission, effects: { compare, puts } };
}

/** What is written when the import is complete: the vdisk is as any other from then on. */
export async function importCompleted(store: ConfigStore, vdisk: string): Promise<Partial<Transaction>> {
  const key = vdiskLifecycleKey(vdisk);
  const { entries } = await store.getMany([key]);
  return { compare: [{ key, revision: entries.get(key)?.revision ?? 'absent' }], deletes: [key] };
}

/** What is written when it is given up: what was made belongs to nobody any more. */
export async function importGivenUp(
  store: ConfigStore,
  vdisk: string,
  operation: string,
  now: number,
): Promise<Partial<Transaction>> {
  const key = vdiskLifecycleKey(vdisk);
  const { entries } = await store.getMany([key]);
  return {
    compare: [
      { key, revision: entries.get(key)?.revision ?? 'absent' },
      { key: ownerKey(vdisk), revision: 'absent' },
    ],
    puts: [lifecyclePut(vdisk, { state: 'deleting', operations: [operation], at: now })],
    deletes: [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)],
  };
}

function decide(
  entries: Entries,
  { vdisk, cluster, slaveCluster }: VdiskImportRequest,
  shape: ImportedShape,
  { lifecycle, mark }: Pick<VdiskCreateState, 'lifecycle' | 'mark'>,
  canonical: string,
): VdiskAdmission {
  return decideVdiskCreate(
    {
      primary: clusterIn(entries, cluster),
      slave: slaveCluster === undefined ? null : clusterIn(entries, slaveCluster),
      exists: entries.get(vdiskStaticKey(vdisk)) != null || entries.get(vdiskNbdKey(vdisk)) != null,
      ...{ lifecycle, mark },
    },
    { vdisk, cluster, ...(slaveCluster === undefined ? {} : { slaveCluster }), readOnly: false, ...shape },
    canonical,
  );
}

function keysOf({ vdisk, cluster, slaveCluster }: VdiskImportRequest): string[] {
  const clusters = [cluster, ...(slaveCluster === undefined ? [] : [slaveCluster])];
  return [
    ...[vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskLifecycleKey(vdisk)],
    ...new Set(clusters.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)])),
  ];
}

function lifecyclePut(vdisk: string, lifecycle: VdiskLifecycle): Put {
  const key = vdiskLifecycleKey(vdisk);
  return { key, value: formatRecord(vdiskLifecycleSchema, key, lifecycle) };
}
