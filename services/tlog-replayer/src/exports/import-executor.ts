import {
  type Executor,
  importCompleted,
  importCreates,
  lifecycleEnded,
  OperationElsewhereError,
  type OperationEnding,
  type OperationRecord,
  type OperationRun,
  type VdiskImport,
  vdiskImportSchema,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import {
  type AppendableStore,
  type BlockContent,
  type ExportedBlock,
  ExportFile,
  type RestoreTarget,
} from '@salvor/tlog';
import { mountFor } from '../point-in-time/operation-mount.ts';
import { type ExportOptions, requireTier2 } from './export-executor.ts';

const GIB = 2 ** 30;

/** What trying again cannot mend. */
const finalCodes: ReadonlySet<string> = new Set([
  ...['bad-export', 'differs', 'no-tier2', 'type-refused', 'unknown-file', 'unsupported-type'],
]);

/** Whether an import is given up, and what it made is being freed. */
export function isGivenUp({ work }: OperationRecord): boolean {
  return vdiskImportSchema.parse(work?.checkpoint).phase === 'discard';
}

/**
 * Makes a vdisk from a file in Tier-2. The file is read through first, so that one that is damaged makes nothing; then the vdisk
 * is made and filled, and read back. What is given up is freed by a repair-coordinator.
 */
export function importExecutor(options: ExportOptions): Executor {
  return async (run): Promise<OperationEnding> => {
    const state = vdiskImportSchema.parse(run.checkpoint);
    if (state.phase === 'discard')
      throw new OperationElsewhereError('it is carried out by a repair-coordinator');
    const work = new Import(options, run, state);
    try {
      if (run.cancelRequested()) throw new SalvorError('cancelled', 'it was cancelled');
      return await work.run(requireTier2(options.tier2));
    } catch (error) {
      if (!run.cancelRequested() && !finalCodes.has(codeOf(error))) throw error;
      return await work.giveUp(error);
    }
  };
}

class Import {
  readonly #options: ExportOptions;
  readonly #run: OperationRun;
  #state: VdiskImport;

  constructor(options: ExportOptions, run: OperationRun, state: VdiskImport) {
    this.#options = options;
    this.#run = run;
    this.#state = state;
  }

  async run(tier2: AppendableStore): Promise<OperationEnding> {
    const { path, vdisk } = this.#state;
    const file = await ExportFile.open(tier2, path);
    if (file === null) throw new SalvorError('unknown-file', `there is no ${path} in ${tier2.name}`);
    if (this.#state.phase === 'check') await this.#check(file);
    const { mounted, lost } = await mountFor(this.#options, vdisk, this.#run.record.operation);
    try {
      const signal = AbortSignal.any([this.#run.signal, lost]);
      const target = mounted.wholeBlocks();
      if (this.#state.phase === 'fill') await this.#fill(file, target, signal);
      const blocks = await this.#verify(file, target, signal);
      const { vdisk: source, state } = file.exported;
      return {
        status: 'completed',
        message: `vdisk ${vdisk} is made from ${path} (vdisk ${source}, ${state}): ${blocks} blocks written and compared`,
        effects: await importCompleted(this.#options.store, vdisk),
        release: () => mounted.unmount(),
      };
    } catch (error) {
      await mounted.unmount();
      throw error;
    }
  }

  async giveUp(error: unknown): Promise<OperationEnding> {
    const { vdisk, path, phase } = this.#state;
    const isCancelled = this.#run.cancelRequested();
    const failure = { code: codeOf(error), message: messageOf(error) };
    if (phase === 'check') {
      const effects = await lifecycleEnded(this.#options.store, vdisk, this.#run.record.operation);
      return isCancelled
        ? { status: 'cancelled', message: `the import of ${path} was cancelled; nothing was made`, effects }
        : { status: 'failed', code: failure.code, message: `${failure.message}; nothing was made`, effects };
    }
    const checkpoint = { ...this.#state, phase: 'discard', ...(isCancelled ? {} : { failure }) };
    await this.#run.report({ checkpoint }, { now: true });
    throw new OperationElsewhereError('what was made is freed by a repair-coordinator');
  }

  /** Reads all of the file; then the vdisk is made as the file says. */
  async #check(file: ExportFile): Promise<void> {
    const { store } = this.#options;
    const { path, vdisk, cluster, slaveCluster } = this.#state;
    const { type, size, blockSize } = file.exported;
    if (type === 'boot')
      throw new SalvorError(
        'type-refused',
        `${path} is of type boot, whose content is shared: it is not imported`,
      );
    if (size % GIB !== 0)
      throw new SalvorError('bad-export', `${path}: expected a vdisk of whole GiB, found ${size} bytes`);
    for await (const { next, end } of file.read()) {
      this.#run.signal.throwIfAborted();
      await this.#tell(file, 0, next, `checks ${path}`);
      if (end !== null) this.#state = { ...this.#state, sha256: end.sha256, blocks: end.blocks };
    }
    const request = { path, vdisk, cluster, ...(slaveCluster === undefined ? {} : { slaveCluster }) };
    const shape = { type, sizeGiB: size / GIB, blockSize };
    const { admission, effects } = await importCreates(store, request, shape, this.#run.record.operation);
    const { outcome, code, reason } = admission;
    if (outcome !== 'applied') {
      // A cluster is healthy again some time.
      if (code === 'cluster-not-healthy') throw new SalvorError(code, reason);
      throw new SalvorError('bad-export', `${path} cannot become vdisk ${vdisk}: ${reason}`);
    }
    const filling = { ...this.#state, phase: 'fill' as const };
    await this.#run.report({ checkpoint: filling }, { now: true, effects });
    this.#state = filling;
  }

  async #fill(file: ExportFile, target: RestoreTarget, signal: AbortSignal): Promise<void> {
    const { path } = this.#state;
    for await (const { blocks, next, end } of file.read(this.#state.next)) {
      for (let at = 0; at < blocks.length; at += target.stepBlocks) {
        signal.throwIfAborted();
        await target.write(changesOf(blocks.slice(at, at + target.stepBlocks), target.blockSize, path));
      }
      this.#assertSame(end?.sha256);
      // Where the last part ends there is nothing to go on with.
      if (end === null) this.#state = { ...this.#state, next };
      await this.#tell(file, 1, next, `fills vdisk ${this.#state.vdisk} from ${path}`);
    }
    this.#state = { ...this.#state, phase: 'verify' };
    await this.#run.report({ checkpoint: this.#state }, { now: true });
  }

  /** @returns how many blocks it has */
  async #verify(file: ExportFile, target: RestoreTarget, signal: AbortSignal): Promise<number> {
    const { vdisk, path } = this.#state;
    let written = 0;
    for await (const { blocks, next, end } of file.read()) {
      for (let at = 0; at < blocks.length; at += target.stepBlocks) {
        signal.throwIfAborted();
        const expected = changesOf(blocks.slice(at, at + target.stepBlocks), target.blockSize, path);
        const found = await target.read(expected.map(({ block }) => block));
        for (const [i, { block, data }] of expected.entries()) {
          if (!isSame(found[i] ?? null, data))
            throw new SalvorError(
              'differs',
              `block ${block} of vdisk ${vdisk} reads back otherwise than ${path} has it`,
            );
          if (data !== null) written++;
        }
      }
      this.#assertSame(end?.sha256);
      await this.#tell(file, 2, next, `compares vdisk ${vdisk} with ${path}`);
    }
    const stored = await countStored(target, signal);
    if (stored !== written)
      throw new SalvorError('differs', `vdisk ${vdisk} has ${stored} blocks, ${path} has ${written} of them`);
    return written;
  }

  #assertSame(sha256: string | undefined): void {
    const { path, sha256: checked } = this.#state;
    if (sha256 !== undefined && sha256 !== checked)
      throw new SalvorError('bad-export', `${path} was changed while it was imported`);
  }

  #tell({ sizeBytes }: ExportFile, pass: number, done: number, message: string): Promise<void> {
    return this.#run.report({
      message,
      ...{ done: pass * sizeBytes + done, total: 3 * sizeBytes },
      ...(this.#state.phase === 'check' ? {} : { checkpoint: this.#state }),
    });
  }
}

/** Whole blocks; null where all is zeros. @throws SalvorError `bad-export` for a block that is there twice */
function changesOf(blocks: readonly ExportedBlock[], blockSize: number, path: string): BlockContent[] {
  const seen = new Set<number>();
  return blocks.map(({ block, data }) => {
    if (seen.has(block)) throw new SalvorError('bad-export', `${path}: block ${block} is there twice`);
    seen.add(block);
    if (data.every((byte) => byte === 0)) return { block, data: null };
    const whole = Buffer.alloc(blockSize);
    data.copy(whole);
    return { block, data: whole };
  });
}

function isSame(found: Buffer | null, expected: Buffer | null): boolean {
  if (found === null || expected === null) return (found ?? expected)?.every((byte) => byte === 0) ?? true;
  return found.equals(expected);
}

async function countStored(target: RestoreTarget, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (let at = 0; at < target.blocks; ) {
    signal.throwIfAborted();
    const { runs, next } = await target.stored(at, target.blocks);
    count += runs.reduce((sum, run) => sum + run.count, 0);
    at = next;
  }
  return count;
}
