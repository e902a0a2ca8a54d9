import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  cancelOperation,
  cloneVdisk,
  rollbackVdisk,
  snapshotTaken,
  vdiskLifecycleKey,
  vdiskRollbackSchema,
} from '@salvor/config-store';
import { testSeed, until } from '@salvor/testkit';
import fc from 'fast-check';
import { assertSame, BLOCKS, every, rollBack, startStates, step, written } from './earlier-states.ts';
import { LostPair } from './lost-pair.ts';

const STEPS = 200;
/** States that a clone and a rollback bring back. */
const POINTS = 50;

describe('earlier states of a vdisk', () => {
  it('are what a rollback and a clone bring back, block by block, and every rollback can be rolled back', async (context) => {
    await using pair = await LostPair.start();
    await pair.addVdisk('v1');
    const seed = testSeed();
    context.diagnostic(`seed ${seed}`);
    const [steps = []] = fc.sample(fc.array(step, { minLength: STEPS, maxLength: STEPS }), {
      seed,
      numRuns: 1,
    });
    const states = await written(pair, 'v1', steps);
    const sequences = [...states.keys()];
    const points = fc.sample(fc.constantFrom(...sequences), { seed, numRuns: POINTS });
    const workers = await startStates(pair);
    try {
      const clones = points.map((sequence, i) => ({ sequence, vdisk: `c${i}`, operation: `clone-${i}` }));
      for (const { sequence, vdisk, operation } of clones) {
        const at = { kind: 'sequence', sequence } as const;
        const begun = await cloneVdisk(pair.store, { source: 'v1', vdisk, at }, { operation, by: 'test' });
        assert.equal(begun.outcome, 'applied', begun.reason);
      }
      for (const { sequence, vdisk, operation } of clones) {
        const { work } = await pair.ended(operation);
        assert.equal(work?.status, 'completed', work?.message);
        assertSame(await pair.read(vdisk, every), states.get(sequence));
      }
      // The log tells the states from before a rollback all the same.
      for (const sequence of [...points, sequences.at(-1) ?? 0]) {
        const { work } = await rollBack(pair, 'v1', { kind: 'sequence', sequence });
        assert.equal(work?.status, 'completed', work?.message);
        assertSame(await pair.read('v1', every), states.get(sequence));
      }
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
