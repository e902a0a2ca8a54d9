import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  cancelOperation,
  cloneVdisk,
  type Executor,
  type OperationRecord,
  OperationWorkers,
  type RequestedPoint,
  rollbackVdisk,
  snapshotTaken,
  vdiskLifecycleKey,
  vdiskRollbackSchema,
} from '@salvor/config-store';
import { createLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { ReplayWindow } from '@salvor/tlog';
import fc from 'fast-check';
import { Logs } from '../src/logs.ts';
import { cloneExecutor, isMadeFromLog } from '../src/point-in-time/clone-executor.ts';
import { rollbackExecutor } from '../src/point-in-time/rollback-executor.ts';
import { BLOCK, LostPair } from './lost-pair.ts';

const BLOCKS = 48;
const every = Array.from({ length: BLOCKS }, (_, block) => block);
const log = createLogger({ service: 'point-in-time', level: 'error' });

type State = (Buffer | null)[];

interface Step {
  readonly block: number;
  readonly fill: number;
}

/** Carries rollbacks and clones out, as the service does. */
async function startStates(
  pair: LostPair,
  around: (executor: Executor) => Executor = (executor) => executor,
): Promise<OperationWorkers> {
  const streams = pair.bus.logStreams;
  const options = {
    ...{ store: pair.store, streams, log, window: new ReplayWindow(), instance: randomUUID() },
    logs: new Logs({ store: pair.store, streams, tier2: pair.tier2, noticed: () => {} }),
    access: { timeoutMs: 2_000 },
  };
  const workers = new OperationWorkers({
    ...{ store: pair.store, log, worker: randomUUID(), retryDelayMs: 100, leaseTtlSeconds: 2 },
    executors: { 'vdisk.rollback': around(rollbackExecutor(options)), 'vdisk.clone': cloneExecutor(options) },
    mayTake: async (record) => record.kind !== 'vdisk.clone' || isMadeFromLog(record),
  });
  await workers.start();
  return workers;
}

/** Writes the steps one by one; what the vdisk held after each, by the record of the log. */
async function written(pair: LostPair, vdisk: string, steps: readonly Step[]): Promise<Map<number, State>> {
  const mounted = await pair.mount(vdisk);
  try {
    await mounted.device.flush();
    let state: State = every.map(() => null);
    const states = new Map([[mounted.log?.state.sequence ?? -1, state]]);
    for (const { block, fill } of steps) {
      const data = fill === 0 ? null : Buffer.alloc(BLOCK, fill);
      if (data === null) await mounted.device.zero(block * BLOCK, BLOCK);
      else await mounted.device.write(block * BLOCK, data);
      await mounted.device.flush();
      state = state.map((held, i) => (i === block ? data : held));
      states.set(mounted.log?.state.sequence ?? -1, state);
    }
    return states;
  } finally {
    await mounted.unmount();
  }
}

async function rollBack(pair: LostPair, vdisk: string, point: RequestedPoint): Promise<OperationRecord> {
  const operation = `roll-${randomUUID()}`;
  const begun = await rollbackVdisk(pair.store, { vdisk, point }, { operation, by: 'test' });
  assert.equal(begun.outcome, 'applied', begun.reason);
  return pair.ended(operation);
}

const step: fc.Arbitrary<Step> = fc.record({
  block: fc.nat(BLOCKS - 1),
  fill: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 255 }) }, fc.constant(0)),
});

function assertSame(found: State, expected: State | undefined): void {
  for (const block of every) assert.deepEqual(found[block], expected?.[block], `block ${block}`);
}

describe('earlier states of a vdisk', () => {
  it('are what a rollback and a clone bring back, block by block, and every rollback can be rolled back', async () => {
    await using pair = await LostPair.start();
    await pair.addVdisk('v1');
    const [steps = []] = fc.sample(fc.array(step, { minLength: 80, maxLength: 80 }), 1);
    const states = await written(pair, 'v1', steps);
    const sequences = [...states.keys()];
    const workers = await startStates(pair);
    try {
      const points = fc.sample(fc.constantFrom(...sequences), 6);
      for (const [i, sequence] of points.entries()) {
        const { work } = await rollBack(pair, 'v1', { kind: 'sequence', sequence });
        assert.equal(work?.status, 'completed', work?.message);
        assertSame(await pair.read('v1', every), states.get(sequence));
        // The log tells the states from before the rollbacks all the same.
        const at = {
          kind: 'sequence',
          sequence: fc.sample(fc.constantFrom(...sequences), 1)[0] ?? 0,
        } as const;
        const request = { source: 'v1', vdisk: `c${i}`, at };
        const begun = await cloneVdisk(pair.store, request, { operation: `clone-${i}`, by: 'test' });
        assert.equal(begun.outcome, 'applied', begun.reason);
        const cloned = await pair.ended(`clone-${i}`);
        assert.equal(cloned.work?.status, 'completed', cloned.work?.message);
        assertSame(await pair.read(`c${i}`, every), states.get(at.sequence));
      }
      const newest = sequences.at(-1) ?? 0;
      await rollBack(pair, 'v1', { kind: 'sequence', sequence: newest });
      assertSame(await pair.read('v1', every), states.get(newest));
    } finally {
      await workers.stop();
    }
  });

  it('have names; a rollback is refused while the vdisk is owned, and nobody mounts it until it ends', async () => {
    await using pair = await LostPair.start();
    await pair.addVdisk('v1');
    const states = await written(pair, 'v1', [
      { block: 1, fill: 1 },
      { block: 2, fill: 2 },
    ]);
    const [, first = 0] = [...states.keys()];
    const taken = snapshotTaken('v1', 'one', { sequence: first, at: 1, operation: 'op' });
    await pair.store.transact({ compare: [], ...taken });
    const point = { kind: 'snapshot', name: 'one' } as const;
    const owner = await pair.mount('v1');
    const refused = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
    assert.equal(refused.code, 'vdisk-owned', refused.reason);
    await owner.unmount();
    const begun = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
    assert.equal(begun.outcome, 'applied', begun.reason);
    await assert.rejects(pair.mount('v1'), { code: 'being-rolled-back' });
    const workers = await startStates(pair);
    try {
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'completed', work?.message);
      assertSame(await pair.read('v1', every), states.get(first));
      const unknown = await rollBack(pair, 'v1', { kind: 'snapshot', name: 'two' });
      assert.deepEqual([unknown.work?.status, unknown.work?.code], ['failed', 'unknown-snapshot']);
      const beyond = await rollBack(pair, 'v1', { kind: 'sequence', sequence: 10_000 });
      assert.deepEqual([beyond.work?.status, beyond.work?.code], ['failed', 'not-restorable']);
      assertSame(await pair.read('v1', every), states.get(first));
    } finally {
      await workers.stop();
    }
  });

  it('are left again when a rollback is cancelled', async () => {
    await using pair = await LostPair.start();
    await pair.addVdisk('v1');
    const states = await written(pair, 'v1', [
      { block: 1, fill: 1 },
      { block: 1, fill: 2 },
    ]);
    const [, first = 0, last = 0] = [...states.keys()];
    const point = { kind: 'sequence', sequence: first } as const;
    const begun = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
    assert.equal(begun.outcome, 'applied', begun.reason);
    await cancelOperation(pair.store, 'r', 'test');
    const workers = await startStates(pair);
    try {
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'cancelled', work?.message);
      assert.equal(await pair.store.get(vdiskLifecycleKey('v1')), null);
      assertSame(await pair.read('v1', every), states.get(last));
    } finally {
      await workers.stop();
    }
  });

  it('are left again block by block when a rollback is cancelled that has written all of them', async () => {
    await using pair = await LostPair.start();
    await pair.addVdisk('v1');
    const steps = [...every, ...every].map((block, i) => ({ block, fill: 1 + i }));
    const states = await written(pair, 'v1', steps);
    const sequences = [...states.keys()];
    const point = { kind: 'sequence', sequence: sequences[BLOCKS - 5] ?? 0 } as const;
    const begun = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
    assert.equal(begun.outcome, 'applied', begun.reason);
    let isWritten = false;
    const workers = await startStates(pair, (executor) => (run) => {
      const report: typeof run.report = async (progress, options) => {
        await run.report(progress, options);
        const { replay } = vdiskRollbackSchema.partial().parse(progress.checkpoint ?? {});
        if (isWritten || (replay as { phase?: string } | null | undefined)?.phase !== 'zeros') return;
        isWritten = true;
        await cancelOperation(pair.store, 'r', 'test');
        await until(async () => run.cancelRequested(), {
          what: 'the wish to cancel is heard',
          timeoutMs: 10_000,
        });
      };
      return executor({ ...run, report });
    });
    try {
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'cancelled', work?.message);
      assert.ok(isWritten);
      assertSame(await pair.read('v1', every), states.get(sequences.at(-1) ?? 0));
    } finally {
      await workers.stop();
    }
  });
});
