import type { ConfigStore, Executor, OperationEnding } from '@salvor/config-store';
import { type Logger, SalvorError } from '@salvor/service-kit';
import { CollectionRefusedError, collectGarbage } from '@salvor/vdisk';
import { z } from 'zod';
import type { EngineAccess } from './vdisk-blocks.ts';

/** Checkpoint of the operation. Nothing else is kept: another process that takes it up begins anew. */
export const garbageCollectionSchema = z.looseObject({
  cluster: z.string().min(1),
  includeUnknown: z.boolean().default(false),
});

/** What trying again does not mend by itself. */
const finalCodes: ReadonlySet<string> = new Set([
  'unknown-cluster',
  'wrong-role',
  'bad-configuration',
  'unknown-vdisks',
  'template-pending',
  'owner-not-settled',
  'cluster-not-healthy',
  'cluster-changed',
]);

export function garbageExecutor(
  { store, access, log }: { store: ConfigStore; access: EngineAccess; log: Logger },
  instance: string,
): Executor {
  return async (run): Promise<OperationEnding> => {
    const { cluster, includeUnknown } = garbageCollectionSchema.parse(run.checkpoint);
    const { timeoutMs, login } = access;
    try {
      const { vdisks, found, freed } = await collectGarbage({
        ...{ store, cluster, includeUnknown, log, signal: run.signal },
        collection: `${run.record.operation}-${instance}`,
        server: `garbage-collector-${instance}`,
        settings: {
          leaseTtlSeconds: 10,
          connectTimeoutMs: timeoutMs,
          commandTimeoutMs: timeoutMs,
          proposeAfterMs: 250,
          holdMaxMs: 30_000,
          login,
        },
        report: (progress) => run.report(progress),
      });
      const kept = found - freed;
      const message = `${freed} contents that none of ${vdisks} boot vdisks names were freed on cluster ${cluster} and its slave, ${kept} came to be named again meanwhile`;
      return { status: 'completed', message };
    } catch (error) {
      if (run.cancelRequested())
        return {
          status: 'cancelled',
          message: `the collection of garbage on cluster ${cluster} was cancelled`,
        };
      if (error instanceof CollectionRefusedError && finalCodes.has(error.code))
        return { status: 'failed', code: error.code, message: error.message };
      // Another collection runs, or an engine did not answer: later.
      throw error instanceof SalvorError ? error : new SalvorError('collection-interrupted', String(error));
    }
  };
}
