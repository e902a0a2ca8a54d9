import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rangesOf } from '../../src/chunk/record-ranges.ts';

/** Records of a segment, one behind the other, and which of them are asked for, in any order. */
const asked = fc
  .array(
    fc.tuple(
      fc.nat(3).map((length) => length * 512),
      fc.boolean(),
    ),
    { maxLength: 60 },
  )
  .chain((all) => {
    let at = 0;
    const records = all.map(([length], i) => {
      at += length;
      return { sequence: i + 1, block: i, length, at: at - length, checksum: 0 };
    });
    const wanted = records.filter((_, i) => all[i]?.[1]);
    return fc.oneof(fc.constant(wanted), fc.shuffledSubarray(wanted, { minLength: wanted.length }));
  });

test('what is read for records holds all of them once, and few bytes that nobody asked for', () => {
  fc.assert(
    fc.property(asked, (records) => {
      const ranges = rangesOf(records);
      const places = ranges.flatMap((range) => range.places);
      const withBytes = records.flatMap(({ length }, place) => (length > 0 ? [place] : []));
      assert.deepEqual(
        places.toSorted((a, b) => a - b),
        withBytes,
      );
      for (const { from, to, places } of ranges)
        for (const place of places) {
          const { at, length } = records[place] ?? assert.fail();
          assert.ok(from <= at && at + length <= to);
        }
      for (const [i, { from }] of ranges.entries())
        assert.ok(i === 0 || from > (ranges[i - 1]?.to ?? 0), 'neighbours are read together');
      const wanted = records.reduce((sum, { length }) => sum + length, 0);
      const read = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
      assert.ok(read <= wanted * 1.08);
    }),
  );
});
