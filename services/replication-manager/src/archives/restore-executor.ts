import {
  type ArchiveRestore,
  archiveRestoreSchema,
  type Executor,
  lifecycleEnded,
  type OperationEnding,
  type OperationRun,
  pointText,
  readArchive,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import {
  everyBlock,
  exactPoint,
  type LogSource,
  type ReplayCheckpoint,
  ReplayWalk,
  type ReplayWindow,
  replay,
  Tier2Source,
} from '@salvor/tlog';
import { mountSecondary, type SecondaryMountOptions } from '../secondary-mount.ts';
import type { ArchiveStores } from './archive-stores.ts';

export interface RestoreOptions extends SecondaryMountOptions {
  readonly stores: ArchiveStores;
  readonly window: ReplayWindow;
}

/** What trying again cannot mend. */
const finalCodes: ReadonlySet<string> = new Set([
  ...['bad-chunk', 'bad-segment', 'different-shape', 'gap', 'not-restorable'],
  ...['unknown-archive', 'unknown-snapshot', 'unknown-vdisk', 'unsupported-type'],
]);

/**
 * Brings a vdisk to a state that an archive holds: only blocks that differ are written, and all are compared afterwards. What
 * cannot be restored changes nothing. Once blocks are written it goes on until it is complete, or an operator cancels it.
 */
export function restoreExecutor(options: RestoreOptions): Executor {
  const { store } = options;
  return async (run): Promise<OperationEnding> => {
    const state = archiveRestoreSchema.parse(run.checkpoint);
    const { vdisk } = state;
    const { operation } = run.record;
    const ended = (): ReturnType<typeof lifecycleEnded> => lifecycleEnded(store, vdisk, operation);
    if (run.cancelRequested()) return cancelled(state, await ended());
    try {
      return await restore(options, run, state);
    } catch (error) {
      if (run.cancelRequested()) return cancelled(state, await ended());
      if (!(error instanceof UntouchedError)) throw error;
      const { reason } = error;
      const message = `${messageOf(reason)}; nothing was written to vdisk ${vdisk}`;
      return { status: 'failed', code: codeOf(reason), message, effects: await ended() };
    }
  };
}

/** The state cannot be restored, and nothing was written yet. */
class UntouchedError extends Error {
  readonly reason: unknown;
  constructor(reason: unknown) {
    super(messageOf(reason));
    this.reason = reason;
  }
}

function cancelled({ vdisk, upTo }: ArchiveRestore, effects: OperationEnding['effects']): OperationEnding {
  const left =
    upTo === null ? 'nothing was written' : 'it holds neither what it held before nor what the archive has';
  const message = `the restore of vdisk ${vdisk} was cancelled: ${left}`;
  return { status: 'cancelled', message, ...(effects === undefined ? {} : { effects }) };
}

async function restore(
  options: RestoreOptions,
  run: OperationRun,
  from: ArchiveRestore,
): Promise<OperationEnding> {
  const { store, stores } = options;
  const { archive, volume, vdisk, point } = from;
  const { operation } = run.record;
  const record = await readArchive(store, { archive, volume });
  // Where blocks were written it waits: the archive may be made known again, or an operator cancels.
  if (record === null)
    throw from.upTo === null ? new UntouchedError(unknownArchive(from)) : unknownArchive(from);
  const source = await Tier2Source.open(await stores.chunksOf(record));
  try {
    const mount = await mountSecondary(options, { volume, vdisk, operation }, run.signal);
    try {
      const target = mount.mounted.wholeBlocks();
      const upTo = from.upTo ?? (await untouched(() => begins(options, from, source, target)));
      const state = { ...from, upTo };
      if (from.upTo === null) {
        await run.report({ checkpoint: state }, { now: true });
        // A compaction keeps it from now on; one that was under way may have merged it away just before.
        await untouched(() => stillThere(volume, source, upTo));
      }
      const message = `fills vdisk ${vdisk} with volume ${volume} from archive ${archive}, ${pointText(point)}`;
      const total = 2 * target.blocks;
      const { blocksWritten, blocksDeleted, blocksVerified } = await replay(
        {
          ...{ vdisk: volume, source, target, wanted: everyBlock(target.blocks), upTo, onlyDiffering: true },
          signal: AbortSignal.any([run.signal, mount.lost]),
          from: (from.replay ?? null) as ReplayCheckpoint | null,
          checkpoint: async (replayed) => {
            await mount.mounted.device.flush();
            await run.report({ checkpoint: { ...state, replay: replayed }, message }, { now: true });
          },
          progress: ({ phase, share }) => {
            const done = Math.round(target.blocks * share) + (phase === 'restore' ? 0 : target.blocks);
            run
              .report({ done, total, message })
              .catch((error: unknown) =>
                options.log.warn({ vdisk, error: messageOf(error) }, 'progress was not stored'),
              );
          },
        },
        options.window,
      );
      await mount.mounted.device.flush();
      return {
        status: 'completed',
        message: `vdisk ${vdisk} holds volume ${volume} as archive ${archive} has it, ${pointText(point)} (record ${upTo}): ${blocksWritten} blocks written, ${blocksDeleted} emptied, ${blocksVerified} compared`,
        effects: await lifecycleEnded(store, vdisk, operation),
        release: () => mount.mounted.unmount(),
      };
    } catch (error) {
      await mount.mounted.unmount();
      throw error;
    }
  } finally {
    await source.close();
  }
}

function unknownArchive({ archive, volume }: Pick<ArchiveRestore, 'archive' | 'volume'>): SalvorError {
  return new SalvorError('unknown-archive', `archive ${archive} does not hold volume ${volume} any more`);
}

async function stillThere(volume: string, source: Tier2Source, sequence: number): Promise<number> {
  await source.refresh();
  return (await exactPoint(volume, source, { kind: 'sequence', sequence })).sequence;
}

async function untouched(begin: () => Promise<number>): Promise<number> {
  try {
    return await begin();
  } catch (error) {
    if (finalCodes.has(codeOf(error))) throw new UntouchedError(error);
    throw error;
  }
}

/** The record that stands for the state; the index is walked through once, so that what is not there is not begun. */
async function begins(
  { store }: RestoreOptions,
  { archive, volume, vdisk, point }: ArchiveRestore,
  source: LogSource,
  target: { readonly blocks: number; readonly blockSize: number },
): Promise<number> {
  const record = await readArchive(store, { archive, volume });
  if (record === null)
    throw new SalvorError('unknown-archive', `archive ${archive} does not hold volume ${volume} any more`);
  const { sizeBytes, blockSize, snapshots } = record;
  if (target.blockSize !== blockSize || target.blocks * blockSize < sizeBytes)
    throw new SalvorError(
      'different-shape',
      `volume ${volume} has ${sizeBytes} bytes in blocks of ${blockSize}, vdisk ${vdisk} ${target.blocks * target.blockSize} in blocks of ${target.blockSize}`,
    );
  const named = point.kind === 'snapshot' ? snapshots.find(({ name }) => name === point.name) : undefined;
  if (point.kind === 'snapshot' && named?.sequence == null)
    throw new SalvorError(
      'unknown-snapshot',
      `archive ${archive} has no snapshot ${point.name} of ${volume}`,
    );
  const { sequence: upTo } = await exactPoint(
    volume,
    source,
    point.kind === 'snapshot' ? { kind: 'sequence', sequence: named?.sequence ?? 0 } : point,
  );
  const walk = new ReplayWalk({ vdisk: volume, wanted: everyBlock(target.blocks), upTo });
  let gap = null;
  for await (const segment of source.newestFirst(upTo + 1)) {
    const step = walk.take(segment);
    gap = step.gap;
    if (gap !== null || step.isLast) break;
  }
  gap ??= walk.end();
  if (gap !== null)
    throw new SalvorError(
      'gap',
      `archive ${archive} lacks records ${gap.fromSequence} to ${gap.toSequence} of volume ${volume}`,
    );
  return upTo;
}
