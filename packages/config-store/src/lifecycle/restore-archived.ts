/** A vdisk that is brought to a state that an archive holds. */
import { z } from 'zod';
import { type AdmissionOptions, admit, type VdiskAdmissionResult } from '../healing/admit-vdisk.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import {
  operationKey,
  ownerKey,
  recoveryKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import { recoverySchema } from '../recovery/recovery-record.ts';
import { logPointSchema, pointText, type RequestedPoint } from '../tlog/log-point.ts';
import type { ConfigStore, Put } from '../types.ts';
import { parseVdiskNbd } from '../vdisk-config.ts';
import { decideVdiskRollback } from './rollback-decision.ts';
import { lifecycleIn, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';

/** Checkpoint of the operation that restores a vdisk from an archive. */
export const archiveRestoreSchema = z.looseObject({
  archive: z.string().min(1),
  volume: z.string().min(1),
  vdisk: z.string().min(1),
  point: logPointSchema,
  /** The record of the archive after which the vdisk is to be as the volume was; null until it is known. */
  upTo: z.number().int().min(0).nullable().default(null),
  /** Where the replay goes on. */
  replay: z.unknown().optional(),
});
export type ArchiveRestore = z.output<typeof archiveRestoreSchema>;

/**
 * Begins the operation that restores a vdisk; until it ends nobody can mount it. The same operation id again changes nothing
 * and gives the same answer. Throws as createVdisk.
 */
export async function restoreArchived(
  store: ConfigStore,
  request: Pick<ArchiveRestore, 'archive' | 'volume' | 'vdisk'> & { readonly point: RequestedPoint },
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { archive, volume, vdisk, point } = request;
  const { operation, now = Date.now } = options;
  if (vdisk === '') {
    const reason = 'vdisk ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('archive.restore', { ...request });
  const keys = [vdiskStaticKey(vdisk), ownerKey(vdisk), vdiskLifecycleKey(vdisk), operationKey(operation)];
  return admit(store, vdisk, 'archive.restore', options, async () => {
    const nbd = await store.get(vdiskNbdKey(vdisk));
    const latest = nbd === null ? [] : [recoveryKey(parseVdiskNbd(nbd.value).storageClusterID)];
    const { entries } = await store.getMany([...keys, ...latest]);
    const decided = decideVdiskRollback(
      {
        exists: entries.get(vdiskStaticKey(vdisk)) != null,
        // What it held before is not brought back.
        hasLog: true,
        owner: recordIn(entries, ownerKey(vdisk), ownerSchema),
        lifecycle: lifecycleIn(entries, vdisk),
        recovery: latest[0] === undefined ? null : recordIn(entries, latest[0], recoverySchema),
        mark: recordIn(entries, operationKey(operation), operationSchema),
      },
      { vdisk, point },
      canonical,
    );
    const text = `brings vdisk ${vdisk} to volume ${volume} as archive ${archive} has it: ${pointText(point)}`;
    const admission = decided.outcome === 'applied' ? { ...decided, reason: text } : decided;
    const key = vdiskLifecycleKey(vdisk);
    const lifecycle = { state: 'rolling-back' as const, operations: [operation], at: now() };
    const puts: Put[] =
      decided.outcome === 'applied'
        ? [{ key, value: formatRecord(vdiskLifecycleSchema, key, lifecycle) }]
        : [];
    const work = { message: text, checkpoint: { archive, volume, vdisk, point } };
    return { canonical, admission, entries, puts, deletes: [], work };
  });
}
