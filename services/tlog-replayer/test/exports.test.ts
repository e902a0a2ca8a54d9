import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  cancelOperation,
  type Executor,
  exportVdisk,
  importVdisk,
  type OperationRecord,
  OperationWorkers,
  readVdisk,
  type VdiskExportRequest,
  vdiskExportSchema,
  vdiskImportSchema,
  vdiskLifecycleKey,
} from '@salvor/config-store';
import { createLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { type AppendableStore, openDirectoryStore, ReplayWindow } from '@salvor/tlog';
import { importRemovalExecutor } from '../../repair-coordinator/src/import-removal-executor.ts';
import { exportExecutor } from '../src/exports/export-executor.ts';
import { importExecutor, isGivenUp } from '../src/exports/import-executor.ts';
import { Logs } from '../src/logs.ts';
import { BLOCK, LostPair } from './lost-pair.ts';

const BLOCKS = 600;
const every = Array.from({ length: BLOCKS }, (_, block) => block);
const log = createLogger({ service: 'exports', level: 'error' });
const path = 'exports/v1.avro';

class Exports implements AsyncDisposable {
  readonly pair: LostPair;
  readonly tier2: AppendableStore;
  readonly root: string;
  readonly #workers: OperationWorkers[] = [];

  private constructor(pair: LostPair, tier2: AppendableStore, root: string) {
    this.pair = pair;
    this.tier2 = tier2;
    this.root = root;
  }

  static async start(context: TestContext): Promise<Exports> {
    const root = await mkdtemp(join(tmpdir(), 'salvor-exports-'));
    context.after(() => rm(root, { recursive: true, force: true }));
    return new Exports(await LostPair.start(), await openDirectoryStore({ root }), root);
  }

  /** What carries exports and imports out, and frees what they leave, as the two services do. */
  async work(around: (executor: Executor) => Executor = (executor) => executor): Promise<OperationWorkers> {
    const { pair, tier2 } = this;
    const { store } = pair;
    const streams = pair.bus.logStreams;
    const access = { timeoutMs: 2_000 };
    const options = {
      ...{ store, streams, log, access, tier2, window: new ReplayWindow(), instance: randomUUID() },
      logs: new Logs({ store, streams, tier2, noticed: () => {} }),
    };
    const make = (executors: Record<string, Executor>, isMine: (record: OperationRecord) => boolean) =>
      new OperationWorkers({
        ...{ store, log, worker: randomUUID(), retryDelayMs: 100, leaseTtlSeconds: 2, executors },
        mayTake: async (record) => record.kind !== 'vdisk.import' || isMine(record),
      });
    const replayer = make(
      { 'vdisk.export': around(exportExecutor(options)), 'vdisk.import': around(importExecutor(options)) },
      (record) => !isGivenUp(record),
    );
    const coordinator = make({ 'vdisk.import': importRemovalExecutor(store, access) }, isGivenUp);
    for (const workers of [replayer, coordinator]) {
      await workers.start();
      this.#workers.push(workers);
    }
    return replayer;
  }

  async begin(request: Partial<VdiskExportRequest> = {}): Promise<string> {
    const operation = `export-${randomUUID()}`;
    const begun = await exportVdisk(
      this.pair.store,
      { vdisk: 'v1', path, ...request },
      { operation, by: 'test' },
    );
    assert.equal(begun.outcome, 'applied', begun.reason);
    return operation;
  }

  async beginImport(vdisk = 'v2'): Promise<string> {
    const operation = `import-${randomUUID()}`;
    const request = { path, vdisk, cluster: 'p1', slaveCluster: 's1' };
    const begun = await importVdisk(this.pair.store, request, { operation, by: 'test' });
    assert.equal(begun.outcome, 'applied', begun.reason);
    return operation;
  }

  async completed(operation: string): Promise<string> {
    const { work } = await this.pair.ended(operation);
    assert.equal(work?.status, 'completed', work?.message);
    return work?.message ?? '';
  }

  files(): Promise<string[]> {
    return readdir(join(this.root, 'exports'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const workers of this.#workers) await workers.stop();
    await this.pair[Symbol.asyncDispose]();
  }
}

function filled(blocks: readonly number[], fill: number): Map<number, Buffer> {
  return new Map(blocks.map((block) => [block, Buffer.alloc(BLOCK, fill + (block % 200))]));
}

describe('a vdisk as a file', () => {
  for (const logged of [true, false])
    it(`is the same vdisk again when it is imported, read from ${logged ? 'its log' : 'its engines'}`, async (context) => {
      await using exports = await Exports.start(context);
      const { pair } = exports;
      await pair.addVdisk('v1', { logged, type: logged ? 'db' : 'volume' });
      const half = every.filter((block) => block % 2 === 0);
      await pair.write(
        'v1',
        filled(half, 1),
        new Map([
          [4, null],
          [6, Buffer.alloc(BLOCK)],
        ]),
      );
      await exports.work();
      const written = await exports.completed(await exports.begin());
      assert.match(written, new RegExp(`${half.length - 2} blocks in \\d+ bytes, read back`));
      const made = await exports.completed(await exports.beginImport());
      assert.match(made, new RegExp(`${half.length - 2} blocks written and compared`));
      assert.deepEqual(await pair.read('v2', every), await pair.read('v1', every));
      const [source, copy] = [await readVdisk(pair.store, 'v1'), await readVdisk(pair.store, 'v2')];
      assert.deepEqual(copy?.static, source?.static);
      assert.equal(await pair.store.get(vdiskLifecycleKey('v1')), null);
    });

  it('holds the state that was asked for, and the vdisk may be in use', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1');
    await pair.write('v1', filled([1, 2, 3], 1));
    const owner = await pair.mount('v1');
    await owner.device.flush();
    const sequence = owner.log?.state.sequence ?? -1;
    await owner.device.write(2 * BLOCK, Buffer.alloc(BLOCK, 99));
    await owner.device.write(5 * BLOCK, Buffer.alloc(BLOCK, 99));
    await owner.device.flush();
    await exports.work();
    await exports.completed(await exports.begin({ point: { kind: 'sequence', sequence } }));
    await exports.completed(await exports.beginImport());
    assert.deepEqual(
      await pair.read('v2', [1, 2, 3, 5]),
      [1, 2, 3, 5].map((block) => filled([1, 2, 3], 1).get(block) ?? null),
    );
    const beyond = await pair.ended(
      await exports.begin({ path: 'exports/other', point: { kind: 'sequence', sequence: 10_000 } }),
    );
    assert.deepEqual([beyond.work?.status, beyond.work?.code], ['failed', 'not-restorable']);
    assert.deepEqual(await exports.files(), ['v1.avro']);
    await owner.unmount();
  });

  it('is refused where it could not be consistent, or would replace something', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1', { logged: false });
    await exports.work();
    const owner = await pair.mount('v1');
    const options = { operation: 'refused', by: 'test' };
    const inUse = await exportVdisk(pair.store, { vdisk: 'v1', path }, options);
    assert.deepEqual([inUse.outcome, inUse.code], ['refused', 'vdisk-owned']);
    const point = { kind: 'sequence', sequence: 1 } as const;
    const early = await exportVdisk(pair.store, { vdisk: 'v1', path, point }, options);
    assert.deepEqual([early.outcome, early.code], ['refused', 'no-log']);
    await owner.unmount();
    await exports.completed(await exports.begin());
    const again = await pair.ended(await exports.begin());
    assert.deepEqual([again.work?.status, again.work?.code], ['failed', 'file-exists']);
    const cluster = { cluster: 'p1', slaveCluster: 's1' };
    const known = await importVdisk(pair.store, { path, vdisk: 'v1', ...cluster }, options);
    assert.deepEqual([known.outcome, known.code], ['refused', 'vdisk-exists']);
    const nowhere = await importVdisk(pair.store, { path, vdisk: 'v2', cluster: 'p9' }, options);
    assert.deepEqual([nowhere.outcome, nowhere.code], ['refused', 'unknown-cluster']);
    await pair.mount('v1').then((mounted) => mounted.unmount());
  });

  it('keeps a vdisk without a log from being mounted until it is written', async (context) => {
    await using exports = await Exports.start(context);
    await exports.pair.addVdisk('v1', { logged: false });
    const operation = await exports.begin();
    await assert.rejects(exports.pair.mount('v1'), { code: 'being-exported' });
    await cancelOperation(exports.pair.store, operation, 'test');
    await exports.work();
    const { work } = await exports.pair.ended(operation);
    assert.equal(work?.status, 'cancelled', work?.message);
    await exports.pair.mount('v1').then((mounted) => mounted.unmount());
  });

  it('makes no vdisk when it is damaged, not there, or of no size that a vdisk can have', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1');
    await pair.write('v1', filled(every.slice(0, 50), 1));
    await exports.work();
    await exports.completed(await exports.begin());
    const file = join(exports.root, path);
    const whole = await readFile(file);
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(whole.length - 9_000) ^ 4, whole.length - 9_000);
    for (const bytes of [whole.subarray(0, whole.length - 1), flipped, Buffer.from('no'), null]) {
      if (bytes === null) await rm(file);
      else await writeFile(file, bytes);
      const { work } = await pair.ended(await exports.beginImport());
      assert.equal(work?.status, 'failed', work?.message);
      assert.equal(work?.code, bytes === null ? 'unknown-file' : 'bad-export');
      assert.match(work?.message ?? '', /nothing was made$/);
      assert.equal(await readVdisk(pair.store, 'v2'), null);
      assert.equal(await pair.store.get(vdiskLifecycleKey('v2')), null);
    }
    await writeFile(file, whole);
    await exports.completed(await exports.beginImport());
  });

  it('is begun anew when its writer dies, which leaves nothing; and a finished one is found', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1');
    await pair.write('v1', filled(every, 1));
    // The first run stands still in the middle, and the second at the end, as if their processes had died there.
    let runs = 0;
    const dies: (executor: Executor) => Executor = (executor) => (run) => {
      const mine = ++runs;
      const report: typeof run.report = async (progress, options) => {
        await run.report(progress, options);
        const { writer } = vdiskExportSchema.partial().parse(progress.checkpoint ?? {});
        const isThere = mine === 1 ? writer !== undefined : progress.message?.startsWith('reads') === true;
        if (mine <= 2 && isThere) throw new DiesError();
      };
      return executor({ ...run, report });
    };
    await exports.work(dies);
    const message = await exports.completed(await exports.begin());
    assert.match(message, new RegExp(`${BLOCKS} blocks`));
    assert.ok(runs >= 3, `${runs} runs`);
    assert.deepEqual(await exports.files(), ['v1.avro']);
  });

  it('is imported to its end although whoever fills the vdisk dies again and again', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1');
    await pair.write('v1', filled(every, 1));
    const worker = await exports.work();
    await exports.completed(await exports.begin());
    await worker.stop();
    const died = new Set<string>();
    await exports.work((executor) => (run) => {
      const report: typeof run.report = async (progress, options) => {
        await run.report(progress, options);
        const { phase = 'check' } = vdiskImportSchema.partial().parse(progress.checkpoint ?? {});
        if (died.has(phase)) return;
        died.add(phase);
        throw new DiesError();
      };
      return executor({ ...run, report });
    });
    await exports.completed(await exports.beginImport());
    assert.deepEqual([...died], ['check', 'fill', 'verify']);
    assert.deepEqual(await pair.read('v2', every), await pair.read('v1', every));
  });

  it('leaves nothing of a vdisk whose import is cancelled, and its id is free again', async (context) => {
    await using exports = await Exports.start(context);
    const { pair } = exports;
    await pair.addVdisk('v1');
    await pair.write('v1', filled(every, 1));
    let operation = '';
    await exports.work((executor) => (run) => {
      const report: typeof run.report = async (progress, options) => {
        await run.report(progress, options);
        const { phase } = vdiskImportSchema.partial().parse(progress.checkpoint ?? {});
        if (phase !== 'verify' || run.cancelRequested()) return;
        await cancelOperation(pair.store, operation, 'test');
        await until(async () => run.cancelRequested(), { what: 'the wish to cancel', timeoutMs: 10_000 });
      };
      return executor({ ...run, report });
    });
    await exports.completed(await exports.begin());
    operation = await exports.beginImport();
    const { work } = await pair.ended(operation);
    assert.deepEqual(
      [work?.status, work?.message],
      ['cancelled', `the import of ${path} was cancelled; what was made of vdisk v2 is freed`],
    );
    assert.equal(await readVdisk(pair.store, 'v2'), null);
    assert.equal(await pair.store.get(vdiskLifecycleKey('v2')), null);
  });
});

/** As little as the death of a process is it something that an executor could answer. */
class DiesError extends Error {}
