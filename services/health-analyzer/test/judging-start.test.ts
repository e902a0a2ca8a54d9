import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgingStart, ROUND_MS } from '../src/judging-start.ts';

const intervals = fc.integer({ min: 1, max: 60_000 });

test('the judge of the only engine, and the first of many, begins at once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), intervals, (count, probeIntervalMs) => {
      assert.deepEqual(judgingStart(0, count, probeIntervalMs), { lookAfterMs: 0, askAfterMs: 0 });
    }),
  );
});

test('few of many begin in any second, in their order, and few engines wait no longer than from one look to the next', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 500 }), intervals, (count, probeIntervalMs) => {
      const starts = Array.from({ length: count }, (_, i) => judgingStart(i, count, probeIntervalMs));
      for (const [i, { lookAfterMs, askAfterMs }] of starts.entries()) {
        const before = starts[i - 1];
        if (before === undefined) continue;
        assert.ok(lookAfterMs > before.lookAfterMs && askAfterMs > before.askAfterMs);
        const in25 = starts[i + 25];
        if (in25 !== undefined) assert.ok(in25.lookAfterMs - lookAfterMs >= 999);
      }
      const last = starts.at(-1);
      if (count <= 6 && probeIntervalMs >= 250) assert.ok((last?.lookAfterMs ?? 0) < probeIntervalMs);
      if (count <= 20) assert.ok((last?.askAfterMs ?? 0) < ROUND_MS);
    }),
  );
});
