import { type Executor, readRecovery, vdisksOfCluster } from '@salvor/config-store';
import { codeOf, messageOf } from '@salvor/service-kit';
import { isFinal } from './final-errors.ts';
import { lossNamed, runDryReplay, runFreeReplay } from './free-replay.ts';
import { lossOf } from './lost-shards.ts';
import type { ManyOptions } from './many-vdisks.ts';
import { runRecovery } from './recovery-run.ts';
import { replayStateSchema } from './replay-state.ts';

/** Carries out `dr.replay`. */
export function replayExecutor(options: ManyOptions): Executor {
  const { store } = options;
  return async (run) => {
    const state = replayStateSchema.parse(run.checkpoint);
    const { cluster, vdisk, before, dryRun } = state;
    try {
      const recovery = await readRecovery(store, cluster);
      const isOpen =
        recovery !== null &&
        recovery.status !== 'done' &&
        (recovery.status !== 'cancelled' || recovery.after !== undefined);
      const isOwn = before === undefined && (isOpen || typeof state.recovery === 'string');
      if (dryRun) {
        const loss = isOwn && recovery !== null ? lossOf(recovery) : await lossNamed(store, state);
        const { primary } = await vdisksOfCluster(store, cluster);
        return await runDryReplay(options, run, state, loss, vdisk === undefined ? primary : [vdisk]);
      }
      return await (isOwn ? runRecovery(options, run, state) : runFreeReplay(options, run, state));
    } catch (error) {
      if (!isFinal(error)) throw error;
      return { status: 'failed', code: codeOf(error), message: messageOf(error) };
    }
  };
}
