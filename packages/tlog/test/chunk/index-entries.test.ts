import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAs, encode, fingerprintOf, type TlogIndexEntryInit } from '@salvor/contracts';
import fc from 'fast-check';
import { columnsOf, EntryReader, plainEntry } from '../../src/chunk/index-entries.ts';

const HEAD_BYTES = 10;
const long = fc.oneof(
  fc.nat(200),
  fc.nat(),
  fc.integer({ min: 0, max: 2 ** 32 }),
  fc.maxSafeNat().map((value) => Math.floor(value / 2)),
);
const int = fc.nat(2 ** 31 - 1);
const entry: fc.Arbitrary<TlogIndexEntryInit> = fc.record({
  ...{ number: long, epoch: long, generation: long, first: long, firstAt: long, lastAt: long, base: long },
  kind: fc.constantFrom('begin', 'writes', 'baseBegin', 'base', 'baseComplete', 'snapshot'),
  name: fc.string({ unit: 'grapheme' }),
  blockSize: int,
  positions: fc.array(fc.record({ shard: int, batch: long })),
  covers: fc.option(fc.record({ number: long, first: long, exactFrom: long }), { nil: undefined }),
  dataAt: long,
  records: fc.array(fc.record({ sequence: long, block: long, length: int, checksum: long })),
});

test('an entry of an index reads as its schema says, and its records are the same in columns', () => {
  fc.assert(
    fc.property(entry, (value) => {
      const bytes = encode('TlogIndexEntry', value);
      const expected = decodeAs('TlogIndexEntry', bytes);
      const found = new EntryReader(bytes.subarray(0, HEAD_BYTES)).read(bytes.subarray(HEAD_BYTES));
      assert.deepEqual(plainEntry(found), plainEntry(expected));
      let at = 0;
      const records = expected.records.map((record) => {
        at += record.length;
        return { ...record, at: at - record.length };
      });
      assert.deepEqual(columnsOf(found).all(), records);
      assert.deepEqual(columnsOf(expected).all(), records);
    }),
  );
});

test('what is no entry is refused wherever it ends or is changed, and never reads beyond its end', () => {
  fc.assert(
    fc.property(entry, fc.nat(), fc.nat(255), (value, place, byte) => {
      const bytes = encode('TlogIndexEntry', value);
      const reader = new EntryReader(bytes.subarray(0, HEAD_BYTES));
      const body = bytes.subarray(HEAD_BYTES);
      assert.throws(() => reader.read(body.subarray(0, place % body.length)));
      assert.throws(() => reader.read(Buffer.concat([body, Buffer.from([byte])])));
      const changed = Buffer.from(body);
      changed[place % body.length] = byte;
      const read = (decode: () => unknown): unknown => {
        try {
          return decode();
        } catch {
          return 'refused';
        }
      };
      const bySchema = read(() =>
        plainEntry(decodeAs('TlogIndexEntry', Buffer.concat([bytes.subarray(0, HEAD_BYTES), changed]))),
      );
      const found = read(() => plainEntry(reader.read(changed)));
      // Which changed bytes are still an entry is told a little differently; what they say is not.
      if (found !== 'refused' && bySchema !== 'refused') assert.deepEqual(found, bySchema);
    }),
  );
});

test('an entry of another schema goes through the schema', () => {
  const bytes = Buffer.from(`c301${fingerprintOf('TlogSegment')}`, 'hex');
  assert.throws(() => new EntryReader(bytes).read(Buffer.alloc(3)), { code: 'malformed-body' });
});
