import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AppliedTo, applySegments } from '../src/applying.ts';
import { BLOCK, type Change, segmentOf } from './segments.ts';

const BLOCKS = 16;

class MemoryVdisk implements AppliedTo {
  readonly blocks = BLOCKS;
  readonly blockSize = BLOCK;
  readonly stepBlocks = 3;
  readonly content = new Map<number, number>();
  writes = 0;

  async write(blocks: readonly { readonly block: number; readonly data: Buffer | null }[]): Promise<void> {
    assert.ok(blocks.length <= this.stepBlocks);
    this.writes += blocks.length;
    for (const { block, data } of blocks) {
      if (data === null) this.content.delete(block);
      else this.content.set(block, data[0] ?? 0);
    }
  }
}

const change = fc.record({ block: fc.nat(BLOCKS - 1), fill: fc.option(fc.integer({ min: 1, max: 255 })) });

test('segments make of a vdisk what their records say, in order, each block written once, and the same again when it is done again', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 6 }),
    async (lists) => {
      let first = 1;
      const segments = lists.map((changes, i) => {
        const segment = segmentOf(i + 1, first, changes);
        first += changes.length;
        return segment;
      });
      const expected = new Map<number, number>();
      const touched = new Set<number>();
      for (const { block, fill } of lists.flat() as Change[]) {
        touched.add(block);
        if (fill === null) expected.delete(block);
        else expected.set(block, fill);
      }
      const vdisk = new MemoryVdisk();
      const { sequence } = await applySegments(vdisk, segments, 0);
      assert.equal(sequence, first - 1);
      assert.equal(vdisk.writes, touched.size);
      assert.deepEqual([...vdisk.content].sort(), [...expected].sort());
      await applySegments(vdisk, segments, 0);
      assert.deepEqual([...vdisk.content].sort(), [...expected].sort());
      // What is applied already is left out.
      const before = vdisk.writes;
      assert.equal((await applySegments(vdisk, segments, sequence)).sequence, sequence);
      assert.equal(vdisk.writes, before);
    },
  );
  await fc.assert(property, { numRuns: 200, includeErrorInReport: true });
});

test('segments of a larger vdisk, or of other blocks, are refused before anything is written', async () => {
  const vdisk = new MemoryVdisk();
  const outside = segmentOf(1, 1, [
    { block: 0, fill: 1 },
    { block: BLOCKS, fill: 1 },
  ]);
  await assert.rejects(applySegments(vdisk, [outside], 0), {
    code: 'different-shape',
    message: /block 16, the vdisk here has 16/,
  });
  const other = segmentOf(1, 1, [], { blockSize: 2 * BLOCK });
  await assert.rejects(applySegments(vdisk, [other], 0), {
    code: 'different-shape',
    message: /blocks of 1024 bytes/,
  });
  assert.equal(vdisk.writes, 0);
});
