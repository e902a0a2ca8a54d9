import {
  type ConfigStore,
  type OperationRecord,
  OperationWorkers,
  vdiskCloneSchema,
  vdiskImportSchema,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import type { Bandwidth } from '@salvor/vdisk';
import { cloneExecutor } from './clone-executor.ts';
import { garbageExecutor } from './garbage-executor.ts';
import { importRemovalExecutor } from './import-removal-executor.ts';
import { removalExecutor } from './removal-executor.ts';
import type { EngineAccess } from './vdisk-blocks.ts';

/** What goes on after a command of the coordinator was answered. */
export function vdiskOperations(options: {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
  /** What all clones together may read. */
  readonly cloneBandwidth: Bandwidth;
  readonly log: Logger;
  /** One run of this process. */
  readonly instance: string;
}): OperationWorkers {
  const { store, access, cloneBandwidth: bandwidth, log, instance } = options;
  return new OperationWorkers({
    ...{ store, log, worker: `repair-coordinator ${instance}` },
    executors: {
      'cluster.collect-garbage': garbageExecutor({ store, access, log }, instance),
      'vdisk.clone': cloneExecutor({ store, access, bandwidth, log }),
      'vdisk.delete': removalExecutor(store, access),
      'vdisk.delete-orphan': removalExecutor(store, access),
      'vdisk.import': importRemovalExecutor(store, access),
    },
    mayTake: async (record) => !isForReplayer(record),
  });
}

/** A clone of an earlier state, and an import, are made by the tlog-replayer; what they leave when they are given up is freed here. */
function isForReplayer({ kind, work }: OperationRecord): boolean {
  if (kind === 'vdisk.import') return vdiskImportSchema.parse(work?.checkpoint).phase !== 'discard';
  if (kind !== 'vdisk.clone') return false;
  const { at, phase } = vdiskCloneSchema.parse(work?.checkpoint);
  return at !== undefined && phase !== 'discard';
}
