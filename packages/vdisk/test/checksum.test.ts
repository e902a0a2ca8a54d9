import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHECKSUM_BYTES, hasChecksum, matchesChecksum, writeChecksum } from '../src/checksum.ts';

test('a checksum is xxh64 with seed 0, little-endian', () => {
  const sums = Buffer.alloc(3 * CHECKSUM_BYTES);
  // Reference values of the xxHash project: the empty input, and the text "abc".
  writeChecksum(sums, 0, Buffer.alloc(0));
  writeChecksum(sums, 8, Buffer.from('abc'));
  assert.equal(sums.readBigUInt64LE(0), 0xef46db3751d8e999n);
  assert.equal(sums.readBigUInt64LE(8), 0x44bc2cf5ad770999n);
  assert.equal(sums.readBigUInt64LE(16), 0n);
});

test('a checksum matches its block alone, and absence is told from it', () => {
  const sums = Buffer.alloc(2 * CHECKSUM_BYTES);
  const block = Buffer.alloc(4096, 7);
  writeChecksum(sums, 8, block);
  assert.equal(hasChecksum(sums, 0), false);
  assert.equal(hasChecksum(sums, 8), true);
  assert.equal(matchesChecksum(sums, 8, block), true);
  for (const at of [0, 2047, 4095]) {
    const changed = Buffer.from(block);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    assert.equal(matchesChecksum(sums, 8, changed), false);
  }
  for (let bit = 0; bit < 64; bit++) {
    const other = Buffer.from(sums);
    const at = 8 + (bit >> 3);
    other.writeUInt8(other.readUInt8(at) ^ (1 << (bit & 7)), at);
    assert.equal(matchesChecksum(other, 8, block), false);
  }
});
