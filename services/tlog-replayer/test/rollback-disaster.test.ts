import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  cancelOperation,
  type Executor,
  type RecoveryVdisk,
  rollbackVdisk,
  vdiskLifecycleKey,
  vdiskRollbackSchema,
} from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { assertSame, BLOCKS, every, type State, startStates, written } from './earlier-states.ts';
import { LostPair } from './lost-pair.ts';

const v1: RecoveryVdisk = { vdisk: 'v1', blocks: BLOCKS, counted: false, recoverable: 'all' };

/** Every block twice: what it held after the first time, which is what it is rolled back to, and last. */
async function writtenTwice(
  pair: LostPair,
): Promise<{ point: { kind: 'sequence'; sequence: number }; first: State; last: State }> {
  await pair.addVdisk('v1');
  const steps = [...every, ...every].map((block, i) => ({ block, fill: 1 + i }));
  const states = await written(pair, 'v1', steps);
  const sequence = [...states.keys()][BLOCKS] ?? assert.fail();
  const [first = [], last = []] = [states.get(sequence), [...states.values()].at(-1)];
  return { point: { kind: 'sequence', sequence }, first, last };
}

/** Once, as soon as the rollback has stored that it is so far. */
function when(
  isSoFar: (state: { upTo: number | null; replay: string | undefined }) => boolean,
  happens: () => Promise<void>,
): (executor: Executor) => Executor {
  let hasHappened = false;
  return (executor) => (run) => {
    const report: typeof run.report = async (progress, options) => {
      await run.report(progress, options);
      const { upTo = null, replay } = vdiskRollbackSchema.partial().parse(progress.checkpoint ?? {});
      const { phase } = (replay ?? {}) as { phase?: string };
      if (hasHappened || !isSoFar({ upTo, replay: phase })) return;
      hasHappened = true;
      await happens();
    };
    return executor({ ...run, report });
  };
}

describe('a pair is destroyed while a vdisk is rolled back', () => {
  const goesOn = async (isSoFar: Parameters<typeof when>[0]): Promise<void> => {
    await using pair = await LostPair.start();
    const { point, first } = await writtenTwice(pair);
    await pair.startReplayer();
    let isDestroyed = false;
    const workers = await startStates(
      pair,
      when(isSoFar, async () => {
        await pair.destroy(1);
        isDestroyed = true;
      }),
    );
    try {
      const begun = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
      assert.equal(begun.outcome, 'applied', begun.reason);
      await until(async () => isDestroyed, { what: 'the loss of a pair', timeoutMs: 20_000 });
      await pair.prepare([v1]);
      await pair.order('op-1');
      const recovered = (await pair.ended('op-1')).work;
      assert.equal(recovered?.status, 'completed', recovered?.message);
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'completed', work?.message);
      assert.equal(await pair.store.get(vdiskLifecycleKey('v1')), null);
      assertSame(await pair.read('v1', every), first);
    } finally {
      await workers.stop();
    }
  };

  it('before anything is written: the recovery does not wait for the rollback, which goes on behind it', () =>
    goesOn(({ upTo }) => upTo !== null));

  it('when all of it is written: the recovery does not wait for the rollback, which goes on behind it', () =>
    goesOn(({ replay }) => replay === 'zeros'));

  it('and the rollback is cancelled: behind the recovery the vdisk is as it was before', async () => {
    await using pair = await LostPair.start();
    const { point, last } = await writtenTwice(pair);
    await pair.startReplayer();
    let isDestroyed = false;
    const workers = await startStates(
      pair,
      when(
        ({ replay }) => replay === 'zeros',
        async () => {
          await pair.destroy(1);
          await cancelOperation(pair.store, 'r', 'test');
          isDestroyed = true;
        },
      ),
    );
    try {
      const begun = await rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation: 'r', by: 'test' });
      assert.equal(begun.outcome, 'applied', begun.reason);
      await until(async () => isDestroyed, { what: 'the loss of a pair', timeoutMs: 20_000 });
      await pair.prepare([v1]);
      await pair.order('op-1');
      const recovered = (await pair.ended('op-1')).work;
      assert.equal(recovered?.status, 'completed', recovered?.message);
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'cancelled', work?.message);
      assert.equal(await pair.store.get(vdiskLifecycleKey('v1')), null);
      assertSame(await pair.read('v1', every), last);
    } finally {
      await workers.stop();
    }
  });

  it('and none is begun while a recovery of the vdisk waits for an operator', async () => {
    await using pair = await LostPair.start();
    const { point, first } = await writtenTwice(pair);
    await pair.destroy(1);
    await pair.prepare([v1]);
    const roll = (operation: string) =>
      rollbackVdisk(pair.store, { vdisk: 'v1', point }, { operation, by: 'test' });
    const refused = await roll('too-early');
    assert.deepEqual([refused.outcome, refused.code], ['refused', 'vdisk-busy']);
    assert.match(refused.reason, /lost blocks, and recovery .* waits for an operator/);
    await pair.startReplayer();
    await pair.order('op-1');
    assert.equal((await pair.ended('op-1')).work?.status, 'completed');
    const workers = await startStates(pair);
    try {
      assert.equal((await roll('r')).outcome, 'applied');
      const { work } = await pair.ended('r');
      assert.equal(work?.status, 'completed', work?.message);
      assertSame(await pair.read('v1', every), first);
    } finally {
      await workers.stop();
    }
  });
});
