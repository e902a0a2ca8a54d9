import {
  type Executor,
  type OperationEnding,
  type OperationRun,
  pointText,
  rollbackEnded,
  type VdiskRollback,
  vdiskRollbackSchema,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { everyBlock, type LogSource, type ReplayCheckpoint, type ReplayResult, replay } from '@salvor/tlog';
import { logIsWhole, type OperationMount } from '@salvor/vdisk';
import { LOG_WHOLE_MAX_MS, mountFor, type PointInTimeOptions } from './operation-mount.ts';
import { assertRestorable, isFinal, sequenceOf } from './points.ts';

/**
 * Brings a vdisk to an earlier state: only blocks that differ are written, through its log. When it is cancelled, or the log
 * turns out not to hold what it should, the vdisk is brought back to where it was.
 */
export function rollbackExecutor(options: PointInTimeOptions): Executor {
  const { store, logs } = options;
  return async (run): Promise<OperationEnding> => {
    const state = vdiskRollbackSchema.parse(run.checkpoint);
    const { vdisk } = state;
    const { operation } = run.record;
    const config = await logs.configOf(vdisk);
    const untouched = async (status: 'failed' | 'cancelled', error: unknown): Promise<OperationEnding> => ({
      ...{ status, message: messageOf(error), effects: await rollbackEnded(store, vdisk, operation) },
      ...(status === 'failed' ? { code: codeOf(error) } : {}),
    });
    if (config === null)
      return untouched('failed', new SalvorError('no-log', `vdisk ${vdisk} has no transaction log`));
    if (run.cancelRequested() && state.before === null)
      return untouched('cancelled', new SalvorError('cancelled', `nothing of vdisk ${vdisk} was changed`));
    const mount = await mountFor(options, vdisk, operation);
    const release = (): Promise<void> => mount.mounted.unmount();
    try {
      const source = await logs.open(vdisk, config);
      try {
        const begun = await begin(options, { run, mount, source }, state);
        const ending = await new Rollback(options, { run, mount, source }, begun).run();
        return { ...ending, effects: await rollbackEnded(store, vdisk, operation), release };
      } catch (error) {
        if (!(error instanceof UntouchedError)) throw error;
        await release();
        return await untouched(run.cancelRequested() ? 'cancelled' : 'failed', error.reason);
      } finally {
        await source.close();
      }
    } catch (error) {
      await release();
      throw error;
    }
  };
}

/** The vdisk cannot be rolled back, and nothing was written yet. */
class UntouchedError extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super(messageOf(reason));
    this.reason = reason;
  }
}

interface Work {
  readonly run: OperationRun;
  readonly mount: OperationMount;
  readonly source: LogSource;
}

/** Both ends are known and on record before the first block is written. */
async function begin(
  { store }: PointInTimeOptions,
  { run, mount, source }: Work,
  state: VdiskRollback,
): Promise<VdiskRollback & { before: number; upTo: number }> {
  const { vdisk, point, before, upTo } = state;
  const { mounted, lost } = mount;
  if (before !== null && upTo !== null) {
    await logIsWhole(mounted, lost, LOG_WHOLE_MAX_MS);
    return { ...state, before, upTo };
  }
  try {
    await logIsWhole(mounted, AbortSignal.any([run.signal, lost]), LOG_WHOLE_MAX_MS);
    await mounted.device.flush();
    const found = await sequenceOf(store, vdisk, source, point);
    await assertRestorable(vdisk, source, mounted.wholeBlocks().blocks, found, point);
    const begun = { ...state, before: mounted.log?.state.sequence ?? 0, upTo: found };
    await run.report({ checkpoint: begun }, { now: true });
    return begun;
  } catch (error) {
    if (run.cancelRequested() || isFinal(error)) throw new UntouchedError(error);
    throw error;
  }
}

class Rollback {
  readonly #options: PointInTimeOptions;
  readonly #work: Work;
  #state: VdiskRollback & { before: number; upTo: number };

  constructor(
    options: PointInTimeOptions,
    work: Work,
    state: VdiskRollback & { before: number; upTo: number },
  ) {
    this.#options = options;
    this.#work = work;
    this.#state = state;
  }

  async run(): Promise<OperationEnding> {
    const { run, mount } = this.#work;
    const { vdisk, point, before, upTo } = this.#state;
    if (this.#state.phase === 'roll') {
      try {
        if (run.cancelRequested()) throw new SalvorError('cancelled', 'it was cancelled');
        const found = await this.#bringTo(upTo, AbortSignal.any([run.signal, mount.lost]));
        const { blocksWritten, blocksDeleted, blocksEqual } = found;
        return {
          status: 'completed',
          message: `vdisk ${vdisk} is brought back to ${pointText(point)} (record ${upTo} of its log): ${blocksWritten} blocks written, ${blocksDeleted} emptied, ${blocksEqual} were the same; record ${before} is what it was before`,
        };
      } catch (error) {
        if (!run.cancelRequested() && !isFinal(error)) throw error;
        const failure = run.cancelRequested()
          ? {}
          : { failure: { code: codeOf(error), message: messageOf(error) } };
        this.#state = { ...this.#state, phase: 'undo', replay: null, ...failure };
        await run.report({ checkpoint: this.#state }, { now: true });
      }
    }
    await this.#bringTo(before, mount.lost);
    const { failure } = this.#state;
    const undone = `vdisk ${vdisk} is as it was before`;
    return failure === undefined
      ? { status: 'cancelled', message: `the rollback was cancelled; ${undone}` }
      : { status: 'failed', code: failure.code, message: `${failure.message}; ${undone}` };
  }

  async #bringTo(upTo: number, signal: AbortSignal): Promise<ReplayResult> {
    const { run, mount, source } = this.#work;
    const { vdisk, point, phase } = this.#state;
    const target = mount.mounted.wholeBlocks();
    const total = 2 * target.blocks;
    const what =
      phase === 'undo'
        ? `brings vdisk ${vdisk} back to where it was`
        : `brings vdisk ${vdisk} back to ${pointText(point)}`;
    const store = async (replayed: ReplayCheckpoint | null): Promise<void> => {
      this.#state = { ...this.#state, replay: replayed };
      await run.report({ checkpoint: this.#state, message: what }, { now: true });
    };
    const replaying = replay(
      {
        ...{ vdisk, source, target, wanted: everyBlock(target.blocks), upTo, onlyDiffering: true, signal },
        from: (this.#state.replay ?? null) as ReplayCheckpoint | null,
        checkpoint: async (replayed) => {
          // What a checkpoint calls written must be in the log: after a disaster the vdisk is what the log has of it.
          await mount.mounted.device.flush();
          await store(replayed);
        },
        progress: (progress) => {
          const done = Math.round(target.blocks * progress.share);
          const isRead = progress.phase !== 'restore';
          run
            .report({ done: isRead ? target.blocks + done : done, total, message: what })
            .catch((error: unknown) =>
              this.#options.log.warn({ vdisk, error: messageOf(error) }, 'progress was not stored'),
            );
        },
      },
      this.#options.window,
    );
    try {
      const result = await replaying;
      await mount.mounted.device.flush();
      return result;
    } catch (error) {
      // The vdisk lost what was written before: all of it is compared once more.
      if (codeOf(error) === 'differs') await store(null);
      throw error;
    }
  }
}
