import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TlogSegmentInit } from '@salvor/contracts';
import fc from 'fast-check';
import { OpenSegment } from '../src/open-segment.ts';
import { blockChecksum, decodeSegment, encodeSegment, SEGMENT_MAX_BYTES } from '../src/segment.ts';

const BLOCK = 64;
const count = fc.maxSafeNat().map((n) => Math.floor(n / 2));
const kind = fc.constantFrom('begin', 'writes', 'baseBegin', 'base', 'baseComplete', 'snapshot' as const);

const change = fc.record({
  block: fc.nat({ max: 2 ** 47 }),
  data: fc.option(
    fc.uint8Array({ minLength: BLOCK, maxLength: BLOCK }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
  at: fc.nat({ max: 2 ** 42 }),
});

describe('a segment that is being filled', () => {
  it('becomes the bytes that the codec of the contract writes', () => {
    fc.assert(
      fc.property(
        fc.record({
          vdisk: fc.stringMatching(/^[A-Za-z0-9_:-]{1,64}$/),
          name: fc.string({ maxLength: 40 }),
          kind,
          number: count,
          epoch: count,
          generation: count,
          first: count.map((n) => n + 1),
          base: count,
          at: fc.nat({ max: 2 ** 42 }),
          positions: fc.uniqueArray(fc.tuple(fc.nat({ max: 999 }), count), { selector: ([shard]) => shard }),
          changes: fc.array(change, { maxLength: 300 }),
        }),
        ({ changes, positions, first, at, kind: its, ...head }) => {
          const open = new OpenSegment();
          open.reset(3, 1);
          // What was in it before must not show.
          open.add(7, Buffer.alloc(BLOCK, 7), 3);
          open.reset(1_000, first);
          for (const { block, data, at: taken } of changes) open.add(block, data, taken);
          const bytes = open.seal({
            ...head,
            kind: its,
            at,
            blockSize: BLOCK,
            positions: new Map(positions),
          });
          const expected: TlogSegmentInit = {
            ...{ ...head, kind: its, first, blockSize: BLOCK },
            firstAt: changes[0]?.at ?? at,
            lastAt: changes.at(-1)?.at ?? at,
            positions: positions.map(([shard, batch]) => ({ shard, batch })),
            records: changes.map(({ block, data }, i) => ({
              sequence: first + i,
              block,
              length: data?.length ?? 0,
              checksum: data === null ? 0 : blockChecksum(data),
            })),
            data: Buffer.concat(changes.flatMap(({ data }) => data ?? [])),
          };
          assert.ok(bytes.equals(encodeSegment(expected)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('never grows beyond what a message may be, whatever is put in as long as it fits', () => {
    for (const size of [512, 4096, 65_536, 262_144]) {
      const open = new OpenSegment();
      open.reset(256, 2 ** 52);
      const data = Buffer.alloc(size, 1);
      while (open.fits(size)) open.add(2 ** 47, data, 2 ** 42);
      while (open.fits(0)) open.add(2 ** 47, null, 2 ** 42);
      const positions = new Map(Array.from({ length: 256 }, (_, shard) => [shard, 2 ** 52]));
      const bytes = open.seal({
        ...{ vdisk: 'v'.repeat(64), number: 2 ** 52, epoch: 2 ** 52, generation: 2 ** 52, kind: 'snapshot' },
        ...{ name: 'n'.repeat(64), base: 2 ** 52, blockSize: size, positions, at: 2 ** 42 },
      });
      assert.ok(bytes.length <= SEGMENT_MAX_BYTES);
      assert.ok(bytes.length > SEGMENT_MAX_BYTES / 2, `${bytes.length} of block size ${size}`);
      assert.ok(decodeSegment(bytes).records.length >= 1);
    }
  });

  it('keeps the bytes it was given, whatever their owner does with them afterwards', () => {
    const open = new OpenSegment();
    open.reset(1, 1);
    const data = Buffer.alloc(BLOCK, 5);
    open.add(3, data, 1);
    data.fill(9);
    const bytes = open.seal({
      ...{ vdisk: 'v', number: 1, epoch: 1, generation: 0, kind: 'writes', name: '', base: 1 },
      ...{ blockSize: BLOCK, positions: new Map(), at: 1 },
    });
    assert.deepEqual(decodeSegment(bytes).data, Buffer.alloc(BLOCK, 5));
  });
});
