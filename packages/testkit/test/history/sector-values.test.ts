import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DAMAGED, SECTOR_BYTES, ZEROES } from '../../src/history/block-history.ts';
import { SectorBytes } from '../../src/history/sector-values.ts';

const HEADER = 28;

function valuesOf(data: SectorBytes, place: number, count: number): number[] {
  const values = new Int32Array(count);
  data.values(place, count, values);
  return [...values];
}

describe('bytes of sectors', () => {
  it('carry a value for each place', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x3fff_ffff }), fc.nat(0x0fff_ffff), (value, place) => {
        const data = new SectorBytes(HEADER, 4);
        data.set(value, place, 4);
        assert.deepEqual(valuesOf(data, place, 4), [value, value, value, value]);
        assert.deepEqual(valuesOf(data, place + 1, 4), [DAMAGED, DAMAGED, DAMAGED, DAMAGED]);
      }),
    );
  });

  it('show any byte that was changed, in a sector with a value and in one of zeroes', () => {
    fc.assert(
      fc.property(
        fc.nat(SECTOR_BYTES - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (at, change, zeroes) => {
          const data = new SectorBytes(HEADER, 2);
          data.set(9, 4, 2);
          if (zeroes) data.bytes.fill(0, HEADER);
          const good = zeroes ? ZEROES : 9;
          assert.deepEqual(valuesOf(data, 4, 2), [good, good]);
          data.bytes[HEADER + SECTOR_BYTES + at] = (data.bytes[HEADER + SECTOR_BYTES + at] ?? 0) ^ change;
          assert.deepEqual(valuesOf(data, 4, 2), [good, DAMAGED]);
        },
      ),
    );
  });
});
