import { randomUUID } from 'node:crypto';
import {
  type ConfigStore,
  cloneCompleted,
  cloneGivenUp,
  type Executor,
  type OperationEnding,
  type OperationRun,
  readVdisk,
  type VdiskClone,
  vdiskCloneSchema,
  vdiskRemovalSchema,
} from '@salvor/config-store';
import { codeOf, type Logger, messageOf } from '@salvor/service-kit';
import { type Bandwidth, fillClone, type MountSettings } from '@salvor/vdisk';
import { freeVdisk, idIsFree } from './removal-executor.ts';
import type { EngineAccess } from './vdisk-blocks.ts';
import { clustersIn } from './vdisk-places.ts';

export interface CloneExecutorOptions {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
  readonly bandwidth: Bandwidth;
  readonly log: Logger;
}

/** What trying again cannot mend. */
const finalCodes: ReadonlySet<string> = new Set(['clone-differs', 'unsupported-type', 'unknown-vdisk']);

/** Fills a clone; when it is cancelled, or cannot be made, frees what was copied. */
export function cloneExecutor(options: CloneExecutorOptions): Executor {
  const { store } = options;
  return async (run) => {
    const state = vdiskCloneSchema.parse(run.checkpoint);
    if (run.cancelRequested() || state.phase === 'discard') return discard(options, run, state);
    try {
      const { vdisk, source } = state;
      const filled = await fill(options, run, state);
      const clone = { source, vdisk, operation: run.record.operation };
      const message = `vdisk ${vdisk} is a clone of vdisk ${source}: ${filled.blocks} blocks copied and compared`;
      const effects = await cloneCompleted(store, clone);
      return { status: 'completed', message, effects, release: filled.release };
    } catch (error) {
      if (run.cancelRequested()) return discard(options, run, state);
      if (!finalCodes.has(codeOf(error))) throw error;
      return discard(options, run, { ...state, failure: { code: codeOf(error), message: messageOf(error) } });
    }
  };
}

function fill({ store, access, bandwidth, log }: CloneExecutorOptions, run: OperationRun, from: VdiskClone) {
  const { operation } = run.record;
  const { timeoutMs, login } = access;
  const settings: MountSettings = {
    leaseTtlSeconds: 10,
    connectTimeoutMs: timeoutMs,
    commandTimeoutMs: timeoutMs,
    proposeAfterMs: 250,
    holdMaxMs: 30_000,
    login,
  };
  return fillClone(
    {
      ...{ store, operation, settings, bandwidth, log, instance: randomUUID(), signal: run.signal },
      access: { timeoutMs, login },
      report: (state, total) => {
        const isCopy = state.phase === 'copy';
        const message = isCopy
          ? `copies vdisk ${state.source} to vdisk ${state.vdisk}`
          : `compares vdisk ${state.vdisk} with vdisk ${state.source}`;
        const done = Math.min((isCopy ? 0 : total) + state.blocks, 2 * total);
        return run.report({ message, done, total: 2 * total, checkpoint: state });
      },
    },
    from,
  );
}

/** The target is nobody's from the first step on; the source is free again. Goes on where it stands. */
async function discard(
  { store, access }: CloneExecutorOptions,
  run: OperationRun,
  from: VdiskClone,
): Promise<OperationEnding> {
  const { source, vdisk } = from;
  const { operation } = run.record;
  let state = from;
  if (state.phase !== 'discard' || state.removal === undefined) {
    const stored = await readVdisk(store, vdisk);
    const removal = vdiskRemovalSchema.parse({
      ...{ vdisk, done: [], type: stored?.static.type ?? 'db' },
      clusters: stored === null ? [] : clustersIn(stored.nbd),
    });
    state = { ...state, phase: 'discard', removal };
    const effects = await cloneGivenUp(store, { source, vdisk, operation }, Date.now());
    const message = `frees what was copied to vdisk ${vdisk}`;
    await run.report({ message, checkpoint: state }, { now: true, effects });
  }
  const removal = vdiskRemovalSchema.parse(state.removal);
  await freeVdisk(store, access, run, removal, (left) => ({ ...state, removal: left }));
  const effects = await idIsFree(store, vdisk, operation);
  const freed = `what was copied to vdisk ${vdisk} is freed`;
  const { failure } = state;
  return failure === undefined
    ? { status: 'cancelled', message: `the clone of vdisk ${source} was cancelled; ${freed}`, effects }
    : { status: 'failed', code: failure.code, message: `${failure.message}; ${freed}`, effects };
}
