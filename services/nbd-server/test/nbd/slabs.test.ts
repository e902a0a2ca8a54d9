import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largeSlabBytes, SlabPool, smallSlabBytes } from '../../src/nbd/slabs.ts';

const MiB = 1024 * 1024;

test('slabs of every size come back, and nothing is handed out twice', () => {
  const pool = new SlabPool();
  for (const bytes of [1, smallSlabBytes, smallSlabBytes + 1, largeSlabBytes, largeSlabBytes + 1, 32 * MiB]) {
    const [first, second] = [pool.take(bytes), pool.take(bytes)];
    assert.notEqual(first, second);
    assert.ok(first.bytes.length >= bytes && second.bytes.length >= bytes);
    pool.release(first);
    assert.equal(pool.take(bytes), first, `a slab of ${bytes} bytes is used again`);
    pool.release(first);
    pool.release(second);
  }
});

test('a slab that somebody still refers to is not free', () => {
  const pool = new SlabPool();
  const slab = pool.take(8 * MiB);
  slab.refs += 1;
  pool.release(slab);
  assert.notEqual(pool.take(8 * MiB), slab);
  pool.release(slab);
  assert.equal(pool.take(8 * MiB), slab);
});

test('what is kept for reuse is bounded', () => {
  const pool = new SlabPool();
  const slabs = Array.from({ length: 8 }, () => pool.take(32 * MiB));
  for (const slab of slabs) pool.release(slab);
  const again = Array.from({ length: 8 }, () => pool.take(32 * MiB));
  const kept = again.filter((slab) => slabs.includes(slab)).length;
  assert.ok(kept >= 1 && kept <= 2, `${kept} slabs of 32 MiB were kept`);
});
