import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSegment, SEGMENT_MAX_BYTES, SEGMENT_MAX_RECORDS } from '@salvor/tlog';
import fc from 'fast-check';
import { joined } from '../src/joined-segments.ts';
import type { SourceSegment } from '../src/source-log.ts';
import { logSegmentOf } from '../src/zone-log.ts';
import { segmentOf } from './segments.ts';

const part = fc.record({
  records: fc.oneof({ weight: 4, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.constant(600) }),
  kind: fc.constantFrom('writes' as const, 'writes' as const, 'writes' as const, 'begin' as const),
  isNewOwner: fc.boolean(),
});

function recordsOf(segments: readonly SourceSegment[]): unknown[] {
  return segments.flatMap(({ segment: { records, data } }) => {
    let at = 0;
    return records.map(({ sequence, block, length }) => {
      at += length;
      return { sequence, block, data: data.subarray(at - length, at).toString('hex') };
    });
  });
}

test('joined segments have the same records, end with the same segment, and are still segments', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 30 }), (parts) => {
      let first = 1;
      let epoch = 1;
      const segments = parts.map(({ records, kind, isNewOwner }, i) => {
        if (isNewOwner && i % 7 === 6) epoch++;
        const changes = Array.from({ length: records }, (_, block) => ({
          block,
          fill: block % 5 === 0 ? null : (i + block) % 250,
        }));
        const made = segmentOf(i + 1, first, changes, { kind, epoch });
        first += records;
        return made;
      });
      const fewer = joined(segments);
      assert.deepEqual(recordsOf(fewer), recordsOf(segments));
      assert.deepEqual(
        fewer.map(({ segment }) => logSegmentOf(segment)).at(-1),
        segments.map(({ segment }) => logSegmentOf(segment)).at(-1),
      );
      let expected = 1;
      for (const { bytes, segment } of fewer) {
        const read = decodeSegment(bytes);
        assert.deepEqual(logSegmentOf(read), logSegmentOf(segment));
        assert.equal(read.covers?.number ?? read.number, expected, 'no number is left out');
        expected = read.number + 1;
        assert.ok(bytes.length <= SEGMENT_MAX_BYTES && read.records.length <= SEGMENT_MAX_RECORDS);
      }
    }),
    { numRuns: 200 },
  );
});

test('what many small writes made becomes a few messages', () => {
  const segments = Array.from({ length: 300 }, (_, i) => segmentOf(i + 1, i + 1, [{ block: i, fill: 1 }]));
  assert.equal(joined(segments).length, 1);
});
