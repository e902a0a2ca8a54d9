import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAs } from '@salvor/contracts';
import fc from 'fast-check';
import {
  blockChecksum,
  decodeSegment,
  encodeSegment,
  LogError,
  lastSequence,
  logStream,
  logSubject,
} from '../src/index.ts';

const BLOCK = 64;
/** Of a single-object encoding: what follows is the segment. */
const HEAD_BYTES = 10;

interface Change {
  readonly block: number;
  readonly data: Buffer | null;
}

const change: fc.Arbitrary<Change> = fc.record({
  block: fc.integer({ min: 0, max: 2 ** 47 }),
  data: fc.option(
    fc.uint8Array({ minLength: BLOCK, maxLength: BLOCK }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
});

function segmentOf(changes: readonly Change[], first = 1): Parameters<typeof encodeSegment>[0] {
  return {
    ...{
      vdisk: 'v1',
      number: 7,
      epoch: 41,
      kind: 'writes',
      first,
      firstAt: 1_000,
      lastAt: 1_001,
      blockSize: BLOCK,
    },
    positions: [{ shard: 0, batch: 12 }],
    records: changes.map(({ block, data }, i) => ({
      sequence: first + i,
      block,
      length: data?.length ?? 0,
      checksum: data === null ? 0 : blockChecksum(data),
    })),
    data: Buffer.concat(changes.flatMap(({ data }) => data ?? [])),
  };
}

test('a segment reads as it was written', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 20 }),
      fc.integer({ min: 1, max: 2 ** 50 }),
      (changes, first) => {
        const segment = segmentOf(changes, first);
        const found = decodeSegment(encodeSegment(segment));
        assert.deepEqual(found, { ...segment, generation: 0, name: '', base: 0 });
        assert.equal(lastSequence(found), first + changes.length - 1);
      },
    ),
  );
});

test('a segment reads as the codec of the contracts reads it, also one that compaction made', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 9 }),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      (changes, place, by) => {
        const covers = { number: 3, first: 1, exactFrom: 2 ** 40 };
        const bytes = encodeSegment({ ...segmentOf(changes), name: 'vor dem Umzug – 1', base: 12, covers });
        assert.deepEqual(decodeSegment(bytes), decodeAs('TlogSegment', bytes));
        const at = HEAD_BYTES + (place % (bytes.length - HEAD_BYTES));
        bytes[at] = (bytes[at] ?? 0) ^ by;
        try {
          assert.deepEqual(decodeSegment(bytes), decodeAs('TlogSegment', bytes));
        } catch (error) {
          assert.ok(error instanceof LogError, String(error));
        }
      },
    ),
  );
});

test('a segment with any byte altered is refused, or tells nothing else of its blocks', () => {
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (changes, place, by) => {
        const bytes = encodeSegment(segmentOf(changes));
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ by;
        try {
          const found = decodeSegment(bytes);
          // Numbers in the head have no checksum of their own; the bytes of the blocks have.
          assert.deepEqual(found.data, segmentOf(changes).data);
        } catch (error) {
          assert.ok(error instanceof LogError, String(error));
          assert.equal(error.code, 'bad-segment');
        }
      },
    ),
  );
});

test('a segment cut off anywhere is refused', () => {
  const bytes = encodeSegment(segmentOf([{ block: 1, data: Buffer.alloc(BLOCK, 5) }]));
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeSegment(bytes.subarray(0, length)), { code: 'bad-segment' });
});

test('records that do not fit their data are refused, with what is wrong', () => {
  const good = segmentOf([{ block: 1, data: Buffer.alloc(BLOCK, 5) }]);
  const [record] = good.records;
  assert.ok(record);
  const refused = (change: Partial<typeof good>, message: RegExp): void =>
    assert.throws(() => decodeSegment(encodeSegment({ ...good, ...change })), {
      code: 'bad-segment',
      message,
    });
  refused({ records: [] }, /describe 0 bytes, it has 64/);
  refused({ records: [record, record] }, /expected a record after 1, found 1/);
  refused({ records: [{ ...record, length: 63 }] }, /does not match its checksum/);
  refused({ records: [{ ...record, length: 65 }] }, /at most 64 bytes, found 65/);
  refused({ records: [{ ...record, block: -1 }] }, /of block -1/);
  refused({ number: 0 }, /at least 1/);
  refused({ blockSize: 0 }, /block size/);
});

test('the tail of a log has its subject and its stream', () => {
  assert.equal(logSubject(3, 'v1'), 'salvor.tlog.v1.3.v1');
  assert.equal(logStream(3), 'TLOG_3');
});
