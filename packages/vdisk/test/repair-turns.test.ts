import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RepairTurns } from '../src/copy/repair-turns.ts';

test('never more repairs than allowed go on at once, and all get their turn in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat(3), { maxLength: 30 }),
      async (most, works) => {
        const turns = new RepairTurns(most);
        const begun: number[] = [];
        let underWay = 0;
        let highest = 0;
        await Promise.all(
          works.map(async (steps, i) => {
            const end = await turns.take();
            begun.push(i);
            highest = Math.max(highest, ++underWay);
            for (let step = 0; step < steps; step++) await Promise.resolve();
            underWay--;
            end();
            end();
          }),
        );
        assert.deepEqual(
          begun,
          works.map((_, i) => i),
        );
        assert.ok(highest <= most, `${highest} at once`);
        assert.deepEqual(turns.counts, { underWay: 0, waiting: 0 });
      },
    ),
  );
});
