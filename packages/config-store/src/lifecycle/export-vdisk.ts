/** A vdisk that is written to a file in Tier-2. */
import { z } from 'zod';
import { type AdmissionOptions, admit, type VdiskAdmissionResult } from '../healing/admit-vdisk.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import { operationKey, ownerKey, tlogConfigKey, vdiskLifecycleKey, vdiskStaticKey } from '../keys.ts';
import { logPointSchema } from '../tlog/log-point.ts';
import type { ConfigStore, Put } from '../types.ts';
import { parseVdiskStatic } from '../vdisk-config.ts';
import { decideVdiskExport, type VdiskExportRequest } from './export-decision.ts';
import { lifecycleIn, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';

/** Checkpoint of the operation that exports a vdisk. */
export const vdiskExportSchema = z.looseObject({
  vdisk: z.string().min(1),
  path: z.string().min(1),
  from: z.enum(['log', 'engines']),
  /** Of an export from the log. */
  point: logPointSchema.default({ kind: 'newest' }),
  /** The record of the log that stands for it, once that is known. */
  upTo: z.number().int().min(0).optional(),
  /** What was being written; an earlier run that died has left it. */
  writer: z.string().optional(),
});
export type VdiskExport = z.output<typeof vdiskExportSchema>;

/**
 * Begins the operation that exports a vdisk. One without a log cannot be mounted by anybody else until it ends. The same
 * operation id again changes nothing and gives the same answer. Throws as createVdisk.
 */
export async function exportVdisk(
  store: ConfigStore,
  request: VdiskExportRequest,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { vdisk, path, point } = request;
  const { operation, now = Date.now } = options;
  if (vdisk === '') {
    const reason = 'vdisk ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('vdisk.export', { ...request });
  const key = vdiskLifecycleKey(vdisk);
  const keys = [vdiskStaticKey(vdisk), tlogConfigKey(vdisk), ownerKey(vdisk), key, operationKey(operation)];
  return admit(store, vdisk, 'vdisk.export', options, async () => {
    const { entries: all } = await store.getMany(keys);
    const fixed = all.get(vdiskStaticKey(vdisk));
    const hasLog = all.get(tlogConfigKey(vdisk)) != null;
    const admission = decideVdiskExport(
      {
        static: fixed == null ? null : parseVdiskStatic(fixed.value),
        hasLog,
        owner: recordIn(all, ownerKey(vdisk), ownerSchema),
        lifecycle: lifecycleIn(all, vdisk),
        mark: recordIn(all, operationKey(operation), operationSchema),
      },
      request,
      canonical,
    );
    // A log may be read while it is written, and while owners come and go.
    const entries = new Map([...all].filter(([name]) => !hasLog || name !== ownerKey(vdisk)));
    const lifecycle = { state: 'exporting' as const, operations: [operation], at: now() };
    const puts: Put[] =
      admission.outcome === 'applied' && !hasLog
        ? [{ key, value: formatRecord(vdiskLifecycleSchema, key, lifecycle) }]
        : [];
    const checkpoint = {
      ...{ vdisk, path, from: hasLog ? 'log' : 'engines' },
      ...(point === undefined ? {} : { point }),
    };
    const work = { message: `exports vdisk ${vdisk} to ${path}`, checkpoint };
    return { canonical, admission, entries, puts, deletes: [], work };
  });
}
