import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { placeBlock } from '../src/sharding.ts';

interface Vectors {
  consecutive: { servers: number; rip: number[]; firstObjectIndex: number; server: number[] }[];
  large: { servers: number; rip: number[]; objectIndices: number[]; server: number[] }[];
}

const shared = join(import.meta.dirname, '../../../../shared/fixtures/0disk/sharding.json');
const own = join(import.meta.dirname, 'vectors/sharding.json');
const path = existsSync(shared) ? shared : own;
if (path === own)
  process.stdout.write('note: sharding vectors of 0-Disk are not here; this suite ran on reduced data\n');
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors;

test('blocks are placed where 0-Disk places them', () => {
  let checked = 0;
  for (const { servers, rip, firstObjectIndex, server } of vectors.consecutive) {
    for (const [i, expected] of server.entries()) {
      assert.equal(
        placeBlock(firstObjectIndex + i, servers, (s) => !rip.includes(s)),
        expected,
      );
      checked++;
    }
  }
  for (const { servers, rip, objectIndices, server } of vectors.large) {
    for (const [i, expected] of server.entries()) {
      assert.equal(
        placeBlock(objectIndices[i] ?? -1, servers, (s) => !rip.includes(s)),
        expected,
      );
      checked++;
    }
  }
  assert.ok(checked > 0);
});

test('a block never lands on a rip shard, and stays home where its home is usable', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), fc.array(fc.nat(11)), (index, shards, rip) => {
      const usable = (shard: number): boolean => !rip.includes(shard);
      const anyUsable = Array.from({ length: shards }, (_, s) => s).some(usable);
      if (!anyUsable) {
        assert.throws(() => placeBlock(index, shards, usable), RangeError);
        return;
      }
      const shard = placeBlock(index, shards, usable);
      assert.ok(shard >= 0 && shard < shards && usable(shard));
      if (usable(index % shards)) assert.equal(shard, index % shards);
    }),
  );
});
