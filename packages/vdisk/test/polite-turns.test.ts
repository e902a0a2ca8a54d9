import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PoliteTurns } from '../src/copy/polite-turns.ts';

describe('steps that give way to clients', () => {
  it('go on one at a time, in the order of asking, whoever makes them', async () => {
    const turns = new PoliteTurns();
    const begun: number[] = [];
    let underWay = 0;
    await Promise.all(
      [0, 1, 2, 3, 4].map(async (i) => {
        const end = await turns.take();
        begun.push(i);
        assert.equal(++underWay, 1);
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
        end(0);
      }),
    );
    assert.deepEqual(begun, [0, 1, 2, 3, 4]);
  });

  it('rest before the next one begins', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const turns = new PoliteTurns();
    (await turns.take())(20);
    const hasBegun = next(turns);
    t.mock.timers.tick(19);
    assert.equal(await hasBegun(), false);
    t.mock.timers.tick(1);
    assert.equal(await hasBegun(), true);
  });

  it('rest within a bound, so that a repair on a slow machine goes on', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const turns = new PoliteTurns();
    (await turns.take())(10_000);
    const hasBegun = next(turns);
    assert.equal(await hasBegun(), false);
    t.mock.timers.tick(100);
    assert.equal(await hasBegun(), true);
  });

  it('that wait for something else do not keep the others waiting', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const turns = new PoliteTurns();
    const end = await turns.take();
    const hasBegun = next(turns);
    assert.equal(await hasBegun(), false);
    t.mock.timers.tick(1_000);
    assert.equal(await hasBegun(), true);
    end(0);
  });
});

/** Asks for the next turn; what is returned tells whether it has come. */
function next(turns: PoliteTurns): () => Promise<boolean> {
  let hasBegun = false;
  void turns.take().then(() => {
    hasBegun = true;
  });
  return async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return hasBegun;
  };
}
