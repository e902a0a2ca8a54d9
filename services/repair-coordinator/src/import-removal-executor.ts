import {
  type ConfigStore,
  type Executor,
  importGivenUp,
  OperationElsewhereError,
  readVdisk,
  vdiskImportSchema,
  vdiskRemovalSchema,
} from '@salvor/config-store';
import { freeVdisk, idIsFree } from './removal-executor.ts';
import type { EngineAccess } from './vdisk-blocks.ts';

/** Frees what an import has left that was cancelled, or that cannot be made. Goes on where it stands. */
export function importRemovalExecutor(store: ConfigStore, access: EngineAccess): Executor {
  return async (run) => {
    let state = vdiskImportSchema.parse(run.checkpoint);
    const { vdisk, path, cluster, slaveCluster, phase, failure } = state;
    const { operation } = run.record;
    if (phase !== 'discard') throw new OperationElsewhereError('it is carried out by a tlog-replayer');
    if (state.removal === undefined) {
      const type = (await readVdisk(store, vdisk))?.static.type ?? 'db';
      const clusters = [cluster, ...(slaveCluster === undefined ? [] : [slaveCluster])];
      state = { ...state, removal: vdiskRemovalSchema.parse({ vdisk, done: [], type, clusters }) };
      const effects = await importGivenUp(store, vdisk, operation, Date.now());
      const message = `frees what was made of vdisk ${vdisk}`;
      await run.report({ message, checkpoint: state }, { now: true, effects });
    }
    const removal = vdiskRemovalSchema.parse(state.removal);
    await freeVdisk(store, access, run, removal, (left) => ({ ...state, removal: left }));
    const effects = await idIsFree(store, vdisk, operation);
    const freed = `what was made of vdisk ${vdisk} is freed`;
    return failure === undefined
      ? { status: 'cancelled', message: `the import of ${path} was cancelled; ${freed}`, effects }
      : { status: 'failed', code: failure.code, message: `${failure.message}; ${freed}`, effects };
  };
}
