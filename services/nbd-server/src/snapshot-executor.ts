import {
  type ConfigStore,
  type Executor,
  OperationElsewhereError,
  type OperationEnding,
  readSnapshot,
  snapshotTaken,
} from '@salvor/config-store';
import { messageOf } from '@salvor/service-kit';
import { OwnedElsewhereError, VdiskRefusedError } from '@salvor/vdisk';
import { z } from 'zod';
import type { VdiskExports } from './vdisk-exports.ts';

const requestSchema = z.object({ vdisk: z.string(), name: z.string() });

/**
 * Carries out `vdisk.snapshot.create` as the owner of the vdisk; one that nobody has mounted is taken for it. Who dies behind
 * the mark in the log takes another one: etcd says which counts.
 */
export function snapshotExecutor(store: ConfigStore, exports: Pick<VdiskExports, 'use'>): Executor {
  return async (run): Promise<OperationEnding> => {
    const { operation } = run.record;
    const { vdisk, name } = requestSchema.parse(JSON.parse(run.record.request));
    if (run.cancelRequested()) return { status: 'cancelled', message: 'no snapshot was taken' };
    const use = await exports.use(vdisk, 'repair').catch((error: unknown) => {
      if (error instanceof OwnedElsewhereError) throw new OperationElsewhereError(messageOf(error));
      if (error instanceof VdiskRefusedError) return error;
      throw error;
    });
    if (use instanceof VdiskRefusedError) return { status: 'failed', code: use.code, message: use.message };
    try {
      if ((await readSnapshot(store, vdisk, name)) !== null)
        return {
          ...{ status: 'failed', code: 'snapshot-exists' },
          message: `vdisk ${vdisk} has a snapshot '${name}' already`,
        };
      const { log } = use.mounted;
      if (log === null)
        return { status: 'failed', code: 'no-log', message: `vdisk ${vdisk} has no transaction log` };
      const sequence = (await log.snapshot(name)) - 1;
      const at = Date.now();
      return {
        status: 'completed',
        message: `snapshot '${name}' of vdisk ${vdisk} is its state after record ${sequence} of its log`,
        effects: snapshotTaken(vdisk, name, { sequence, at, operation }),
      };
    } finally {
      use.release();
    }
  };
}
