import {
  type Executor,
  lifecycleEnded,
  type OperationEnding,
  type OperationRun,
  pointText,
  readVdisk,
  type VdiskExport,
  type VdiskStatic,
  vdiskExportSchema,
  vdiskSizeBytes,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import {
  type AppendableStore,
  type ExportCounts,
  ExportFile,
  ExportWriter,
  exportLog,
  LogError,
} from '@salvor/tlog';
import { mountFor, type PointInTimeOptions } from '../point-in-time/operation-mount.ts';
import { assertRestorable, isFinal, sequenceOf } from '../point-in-time/points.ts';

export interface ExportOptions extends PointInTimeOptions {
  /** Null: there is no Tier-2 that files could be in. */
  readonly tier2: AppendableStore | null;
}

const finalCodes: ReadonlySet<string> = new Set(['bad-export', 'file-exists', 'no-tier2']);

/**
 * Writes a vdisk to a file in Tier-2, and reads it back. A run that died is begun anew: what it has left is removed, and a file
 * that it had finished is found.
 */
export function exportExecutor(options: ExportOptions): Executor {
  const { store } = options;
  return async (run): Promise<OperationEnding> => {
    const state = vdiskExportSchema.parse(run.checkpoint);
    const { vdisk, from } = state;
    const ended = async (ending: OperationEnding): Promise<OperationEnding> => ({
      ...ending,
      effects: from === 'log' ? {} : await lifecycleEnded(store, vdisk, run.record.operation),
    });
    try {
      const tier2 = requireTier2(options.tier2);
      if (state.writer !== undefined) await tier2.discard(state.path, state.writer);
      if (run.cancelRequested()) throw new SalvorError('cancelled', 'it was cancelled');
      return await ended(await new Export(options, tier2, run, state).run());
    } catch (error) {
      const isCancelled = run.cancelRequested();
      if (!isCancelled && !isFinal(error) && !finalCodes.has(codeOf(error))) throw error;
      return await ended(
        isCancelled
          ? {
              status: 'cancelled',
              message: `the export of vdisk ${vdisk} was cancelled; it has left no file`,
            }
          : { status: 'failed', code: codeOf(error), message: messageOf(error) },
      );
    }
  };
}

/** @throws SalvorError `no-tier2` */
export function requireTier2(tier2: AppendableStore | null): AppendableStore {
  if (tier2 !== null) return tier2;
  throw new SalvorError(
    'no-tier2',
    'there is no Tier-2 whose folder exports/ the file could be in: SALVOR_TLOG_STORE of the tlog-replayer is not set',
  );
}

class Export {
  readonly #options: ExportOptions;
  readonly #tier2: AppendableStore;
  readonly #run: OperationRun;
  #state: VdiskExport;

  constructor(options: ExportOptions, tier2: AppendableStore, run: OperationRun, state: VdiskExport) {
    this.#options = options;
    this.#tier2 = tier2;
    this.#run = run;
    this.#state = state;
  }

  async run(): Promise<OperationEnding> {
    const { vdisk, path } = this.#state;
    // An earlier run may have died between the end of the file and that of the operation.
    if (!(await this.#isFinished())) {
      const stored = await readVdisk(this.#options.store, vdisk);
      if (stored === null) throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
      await (this.#state.from === 'log' ? this.#fromLog(stored.static) : this.#fromEngines(stored.static));
    }
    const { what, blocks, bytes, sha256 } = await this.#readBack();
    return {
      status: 'completed',
      message: `vdisk ${vdisk}, ${what}, is exported to ${path}: ${blocks} blocks in ${bytes} bytes, read back and compared with their SHA-256 ${sha256}`,
    };
  }

  /** @throws SalvorError `file-exists` for a file of somebody else */
  async #isFinished(): Promise<boolean> {
    const { path } = this.#state;
    const file = await ExportFile.open(this.#tier2, path).catch((error: unknown) => {
      if (error instanceof LogError && error.code === 'bad-export') return 'other' as const;
      throw error;
    });
    if (file === null) return false;
    if (file !== 'other' && file.exported.operation === this.#run.record.operation) return true;
    throw new SalvorError(
      'file-exists',
      `${path} is there already, and is left as it is: choose another name`,
    );
  }

  async #fromLog(fixed: VdiskStatic): Promise<void> {
    const { store, logs, window } = this.#options;
    const { vdisk, point } = this.#state;
    const config = await logs.configOf(vdisk);
    if (config === null) throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log any more`);
    const source = await logs.open(vdisk, config);
    try {
      const upTo = this.#state.upTo ?? (await sequenceOf(store, vdisk, source, point));
      this.#state = { ...this.#state, upTo };
      const blocks = blocksOf(fixed);
      await assertRestorable(vdisk, source, blocks, upTo, point);
      const { signal } = this.#run;
      await this.#write(fixed, `${pointText(point)} (record ${upTo} of its log)`, (writer) =>
        exportLog(
          {
            vdisk,
            source,
            blocks,
            upTo,
            writer,
            signal,
            progress: (known) => this.#tell(writer.counts, known, blocks),
          },
          window,
        ),
      );
    } finally {
      await source.close();
    }
  }

  /** Nobody else mounts it: what is read is what it holds. */
  async #fromEngines(fixed: VdiskStatic): Promise<void> {
    const { vdisk } = this.#state;
    const { mounted, lost } = await mountFor(this.#options, vdisk, this.#run.record.operation);
    try {
      const signal = AbortSignal.any([this.#run.signal, lost]);
      await this.#write(fixed, 'as its engines had it', async (writer) => {
        const source = mounted.wholeBlocks();
        for (let at = 0; at < source.blocks; ) {
          const { runs, next } = await source.stored(at, source.blocks);
          for (const { first, count } of runs)
            for (let from = first; from < first + count; from += source.stepBlocks) {
              signal.throwIfAborted();
              const length = Math.min(source.stepBlocks, first + count - from);
              const some = Array.from({ length }, (_, i) => from + i);
              const content = await source.read(some);
              await writer.add(some.map((block, i) => ({ block, data: content[i] ?? null })));
              await this.#tell(writer.counts, from + length, source.blocks);
            }
          at = next;
        }
      });
    } finally {
      await mounted.unmount();
    }
  }

  async #write(
    fixed: VdiskStatic,
    state: string,
    fill: (writer: ExportWriter) => Promise<void>,
  ): Promise<void> {
    const { vdisk, path, upTo } = this.#state;
    const { operation } = this.#run.record;
    const writer = await ExportWriter.begin(this.#tier2, path, {
      ...{ vdisk, type: fixed.type, blockSize: fixed.blockSize, size: vdiskSizeBytes(fixed) },
      ...{ sequence: upTo ?? null, state, createdAt: Date.now(), operation },
    });
    try {
      this.#state = { ...this.#state, writer: writer.id };
      await this.#run.report({ checkpoint: this.#state }, { now: true });
      await fill(writer);
      if (await this.#isFinished()) throw new SalvorError('file-exists', `${path} is there already`);
      await writer.finish();
    } catch (error) {
      await writer
        .abandon()
        .catch((left: unknown) =>
          this.#options.log.warn(
            { vdisk, path, error: messageOf(left) },
            'a part of an export is left behind',
          ),
        );
      throw error;
    }
  }

  async #readBack(): Promise<ExportCounts & { readonly what: string; readonly sha256: string }> {
    const { vdisk, path } = this.#state;
    const file = await ExportFile.open(this.#tier2, path);
    if (file === null) throw new SalvorError('bad-export', `${path} was written, and is not there`);
    for await (const { next, end } of file.read()) {
      this.#run.signal.throwIfAborted();
      const message = `reads ${path} back: ${next} of ${file.sizeBytes} bytes`;
      await this.#run.report({ message, done: next, total: file.sizeBytes });
      if (end !== null) {
        const { blocks, sha256 } = end;
        return { what: file.exported.state, blocks, bytes: file.sizeBytes, sha256 };
      }
    }
    throw new SalvorError('bad-export', `${path}: the file of vdisk ${vdisk} has no end`);
  }

  #tell({ blocks, bytes }: ExportCounts, done: number, total: number): Promise<void> {
    const { vdisk, path } = this.#state;
    const message = `exports vdisk ${vdisk} to ${path}: ${blocks} blocks, ${bytes} bytes`;
    return this.#run.report({ message, done, total });
  }
}

function blocksOf(fixed: VdiskStatic): number {
  return Math.floor(vdiskSizeBytes(fixed) / fixed.blockSize);
}
