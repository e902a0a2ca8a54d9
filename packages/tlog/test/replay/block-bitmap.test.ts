import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockBitmap } from '../../src/replay/block-bitmap.ts';

const PAGE = 131_072;

test('a bitmap holds what a set holds, beyond 2^32 too', () => {
  const block = fc.oneof(
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 2 ** 32 - 40, max: 2 ** 32 + 40 }),
  );
  fc.assert(
    fc.property(fc.array(block, { maxLength: 200 }), fc.array(block), (added, asked) => {
      const bitmap = new BlockBitmap();
      const set = new Set<number>();
      for (const one of added) {
        assert.equal(bitmap.add(one), !set.has(one));
        set.add(one);
      }
      const copy = bitmap.copy();
      for (const one of [...asked, ...added]) {
        assert.equal(bitmap.has(one), set.has(one));
        copy.add(one);
      }
      assert.equal(bitmap.count, set.size, 'a copy is a set of its own');
      assert.equal(copy.count, new Set([...asked, ...added]).size);
    }),
  );
});

test('the digest is that of the blocks, not of their order, and other blocks have another one', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1_000_000), { minLength: 2 }), (blocks) => {
      const digest = (of: readonly number[]): number => {
        const bitmap = new BlockBitmap();
        for (const block of of) bitmap.add(block);
        return bitmap.digest;
      };
      assert.equal(digest(blocks), digest([...blocks].reverse()));
      assert.notEqual(digest(blocks), digest(blocks.slice(1)));
    }),
  );
});

test('a page that is full still says of each block that it is in, and takes none twice', () => {
  const bitmap = new BlockBitmap();
  for (let block = 0; block < PAGE; block++) assert.ok(bitmap.add(block));
  assert.equal(bitmap.count, PAGE);
  assert.ok(bitmap.has(PAGE - 1));
  assert.ok(!bitmap.has(PAGE));
  assert.ok(!bitmap.add(17));
  assert.equal(BlockBitmap.bytesFor(2 ** 28), 32 << 20, '1 TiB of 4 KiB blocks');
});
