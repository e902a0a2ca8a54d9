import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ownShare } from '../src/shares.ts';

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 });

test('each vdisk goes to exactly one replica, and one that leaves moves only its own', () => {
  fc.assert(
    fc.property(names, names, (vdisks, replicas) => {
      const shares = replicas.map((self) => ownShare(vdisks, replicas, self));
      assert.deepEqual(shares.flat().sort(), [...vdisks].sort());
      const [, ...left] = replicas;
      for (const [i, self] of left.entries()) {
        const after = new Set(ownShare(vdisks, left, self));
        assert.ok((shares[i + 1] ?? []).every((vdisk) => after.has(vdisk)));
      }
    }),
  );
});
