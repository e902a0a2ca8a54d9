import {
  cloneCompleted,
  type Executor,
  OperationElsewhereError,
  type OperationEnding,
  type OperationRecord,
  type OperationRun,
  pointText,
  type RequestedPoint,
  type VdiskClone,
  vdiskCloneSchema,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { everyBlock, type LogSource, type ReplayCheckpoint, replay } from '@salvor/tlog';
import { mountFor, type PointInTimeOptions } from './operation-mount.ts';
import { assertRestorable, isFinal, sequenceOf } from './points.ts';

/** Whether a clone is made from the log of its source, and not given up yet. */
export function isMadeFromLog({ work }: OperationRecord): boolean {
  const { at, phase } = vdiskCloneSchema.parse(work?.checkpoint);
  return at !== undefined && phase !== 'discard';
}

/**
 * Fills a clone with an earlier state of its source, from the log of that; the source may be in use. What is given up is freed
 * by a repair-coordinator, as of any clone.
 */
export function cloneExecutor(options: PointInTimeOptions): Executor {
  return async (run): Promise<OperationEnding> => {
    const state = vdiskCloneSchema.parse(run.checkpoint);
    const { at } = state;
    if (at === undefined || state.phase === 'discard')
      throw new OperationElsewhereError('it is carried out by a repair-coordinator');
    if (run.cancelRequested()) return giveUp(run, state);
    try {
      return await fill(options, run, { ...state, at });
    } catch (error) {
      if (run.cancelRequested()) return giveUp(run, state);
      if (!isFinal(error)) throw error;
      return giveUp(run, { ...state, failure: { code: codeOf(error), message: messageOf(error) } });
    }
  };
}

async function giveUp(run: OperationRun, state: VdiskClone): Promise<never> {
  await run.report({ checkpoint: { ...state, phase: 'discard' } }, { now: true });
  throw new OperationElsewhereError('what was copied is freed by a repair-coordinator');
}

async function fill(
  options: PointInTimeOptions,
  run: OperationRun,
  from: VdiskClone & { at: RequestedPoint },
): Promise<OperationEnding> {
  const { store, logs } = options;
  const { operation } = run.record;
  const { source: of, vdisk } = from;
  const config = await logs.configOf(of);
  if (config === null) throw new SalvorError('no-log', `vdisk ${of} has no transaction log`);
  const source = await logs.open(of, config);
  try {
    const { mounted, lost } = await mountFor(options, vdisk, operation);
    try {
      const target = mounted.wholeBlocks();
      const state = { ...from, upTo: from.upTo ?? (await sequenceOf(store, of, source, from.at)) };
      if (from.upTo === undefined) {
        await assertRestorable(of, source, target.blocks, state.upTo, from.at);
        await run.report({ checkpoint: state }, { now: true });
      }
      const signal = AbortSignal.any([run.signal, lost]);
      const { blocksVerified } = await restore(options, run, { state, source, target, signal });
      return {
        status: 'completed',
        message: `vdisk ${vdisk} is a clone of vdisk ${of}, ${pointText(from.at)} (record ${state.upTo} of its log): ${blocksVerified} blocks written and compared`,
        effects: await cloneCompleted(store, { source: of, vdisk, operation }),
        release: () => mounted.unmount(),
      };
    } catch (error) {
      await mounted.unmount();
      throw error;
    }
  } finally {
    await source.close();
  }
}

interface Filling {
  readonly state: VdiskClone & { readonly at: RequestedPoint; readonly upTo: number };
  readonly source: LogSource;
  readonly target: Parameters<typeof replay>[0]['target'];
  readonly signal: AbortSignal;
}

function restore(
  { window, log }: PointInTimeOptions,
  run: OperationRun,
  { state, source, target, signal }: Filling,
): ReturnType<typeof replay> {
  const { vdisk, source: of, at, upTo } = state;
  const total = 2 * target.blocks;
  const message = `fills vdisk ${vdisk} with vdisk ${of}, ${pointText(at)}`;
  return replay(
    {
      ...{ vdisk: of, source, target, wanted: everyBlock(target.blocks), upTo, signal },
      from: (state.replay ?? null) as ReplayCheckpoint | null,
      checkpoint: (replayed) =>
        run.report({ checkpoint: { ...state, replay: replayed }, message }, { now: true }),
      progress: (progress) => {
        const done = Math.round(target.blocks * progress.share);
        const isRead = progress.phase !== 'restore';
        run
          .report({ done: isRead ? target.blocks + done : done, total, message })
          .catch((error: unknown) => log.warn({ vdisk, error: messageOf(error) }, 'progress was not stored'));
      },
    },
    window,
  );
}
