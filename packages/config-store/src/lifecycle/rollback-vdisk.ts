/** A vdisk that is brought back to an earlier state from its log. */
import { z } from 'zod';
import { type AdmissionOptions, admit, type VdiskAdmissionResult } from '../healing/admit-vdisk.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import {
  operationKey,
  ownerKey,
  recoveryKey,
  tlogConfigKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import { recoverySchema } from '../recovery/recovery-record.ts';
import { logPointSchema, pointText, type RequestedPoint } from '../tlog/log-point.ts';
import type { ConfigStore, Put, Transaction } from '../types.ts';
import { parseVdiskNbd } from '../vdisk-config.ts';
import { decideVdiskRollback } from './rollback-decision.ts';
import { lifecycleIn, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';

/** Checkpoint of the operation that rolls a vdisk back. */
export const vdiskRollbackSchema = z.looseObject({
  vdisk: z.string().min(1),
  point: logPointSchema,
  /** `undo`: it is given up, and brought back to where it was. */
  phase: z.enum(['roll', 'undo']).default('roll'),
  /** Last record of the log before the first one that the rollback writes; null until it is known. */
  before: z.number().int().min(0).nullable().default(null),
  /** The record after which the vdisk is to be as it was; null until it is known. */
  upTo: z.number().int().min(0).nullable().default(null),
  /** Where the replay of this phase goes on. */
  replay: z.unknown().optional(),
  /** Why it is given up, once it is. */
  failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});
export type VdiskRollback = z.output<typeof vdiskRollbackSchema>;

/**
 * Begins the operation that rolls a vdisk back; until it ends nobody can mount it. The same operation id again changes nothing
 * and gives the same answer. Throws as createVdisk.
 */
export async function rollbackVdisk(
  store: ConfigStore,
  request: { readonly vdisk: string; readonly point: RequestedPoint },
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { vdisk, point } = request;
  const { operation, now = Date.now } = options;
  if (vdisk === '') {
    const reason = 'vdisk ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('vdisk.rollback', { ...request });
  const keys = [vdiskStaticKey(vdisk), tlogConfigKey(vdisk), ownerKey(vdisk), vdiskLifecycleKey(vdisk)];
  return admit(store, vdisk, 'vdisk.rollback', options, async () => {
    const nbd = await store.get(vdiskNbdKey(vdisk));
    const latest = nbd === null ? [] : [recoveryKey(parseVdiskNbd(nbd.value).storageClusterID)];
    const { entries } = await store.getMany([...keys, ...latest, operationKey(operation)]);
    const admission = decideVdiskRollback(
      {
        exists: entries.get(vdiskStaticKey(vdisk)) != null,
        hasLog: entries.get(tlogConfigKey(vdisk)) != null,
        owner: recordIn(entries, ownerKey(vdisk), ownerSchema),
        lifecycle: lifecycleIn(entries, vdisk),
        recovery: latest[0] === undefined ? null : recordIn(entries, latest[0], recoverySchema),
        mark: recordIn(entries, operationKey(operation), operationSchema),
      },
      request,
      canonical,
    );
    const key = vdiskLifecycleKey(vdisk);
    const lifecycle = { state: 'rolling-back' as const, operations: [operation], at: now() };
    const puts: Put[] =
      admission.outcome === 'applied'
        ? [{ key, value: formatRecord(vdiskLifecycleSchema, key, lifecycle) }]
        : [];
    const work = {
      message: `brings vdisk ${vdisk} back to ${pointText(point)}`,
      checkpoint: { vdisk, point },
    };
    return { canonical, admission, entries, puts, deletes: [], work };
  });
}

/**
 * What is written when a rollback has ended, in whichever way: the vdisk may be mounted again, once it has no blocks to be
 * restored either.
 */
export async function rollbackEnded(
  store: ConfigStore,
  vdisk: string,
  operation: string,
): Promise<Partial<Transaction>> {
  const key = vdiskLifecycleKey(vdisk);
  const { entries } = await store.getMany([key]);
  const lifecycle = lifecycleIn(entries, vdisk);
  const compare = [{ key, revision: entries.get(key)?.revision ?? 'absent' }];
  if (lifecycle?.operations.includes(operation) === true) return { compare, deletes: [key] };
  if (lifecycle?.rollback !== operation) return {};
  const { rollback: _, ...rest } = lifecycle;
  return { compare, puts: [{ key, value: formatRecord(vdiskLifecycleSchema, key, rest) }] };
}
