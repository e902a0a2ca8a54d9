import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { addMark, bitsIn } from '../src/dirty-map.ts';
import { dirtyKey } from '../src/engine-keys.ts';
import { Frame } from '../src/resp.ts';
import { RespLink } from '../src/resp-link.ts';
import { TestEngine } from './pair-harness.ts';

test('marks are set and cleared one by one or in runs, and nothing beside them', async () => {
  const engine = await TestEngine.start();
  after(() => engine.stop());
  const link = await RespLink.connect({
    address: engine.address,
    db: 0,
    connectTimeoutMs: 1_000,
    commandTimeoutMs: 1_000,
    clientName: 'test',
  });
  const run = fc.record({
    from: fc.nat(400),
    length: fc.integer({ min: 1, max: 200 }),
    bit: fc.constantFrom(0, 1),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 8 }), async (runs) => {
      const marked = new Set<number>();
      const frame = new Frame().command('DEL', dirtyKey('v1'));
      for (const { from, length, bit } of runs) {
        const stripes = Array.from({ length }, (_, i) => from + i).filter((stripe) => stripe % 97 !== 0);
        for (const stripe of stripes) {
          if (bit === 1) marked.add(stripe);
          else marked.delete(stripe);
        }
        addMark(frame, 'v1', stripes, bit === 1 ? 1 : 0);
      }
      const map = (await link.request(frame.command('GETRANGE', dirtyKey('v1'), 0, -1))).at(-1);
      assert.ok(Buffer.isBuffer(map));
      assert.deepEqual(
        [...bitsIn(map, 0)],
        [...marked].sort((a, b) => a - b),
      );
    }),
    { numRuns: 100 },
  );
  link.close();
});
