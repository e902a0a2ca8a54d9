import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decideCopyWay } from '../src/copy-way.ts';

const generation = { number: 2, zone: 'north', incarnation: 'a' };
const kept = { generation, lineage: [], sequence: 9, segment: null, ownSequence: 9, ownSegment: null };
const copy = {
  ...{ way: 'compare' as const, reason: 'asked for', generation, behind: null, next: 64, blocks: 512 },
  ...{ sentBlocks: 0, sentBytes: 0, hashBytes: 0, beganAt: 1, endedAt: null },
};

it('what was written since a fork is enough; a comparison that was begun goes on; a state from before is compared; else the log is replayed', () => {
  fc.assert(
    fc.property(
      fc.option(fc.nat(100)),
      fc.option(fc.constant('boot')),
      fc.option(fc.constant(kept)),
      fc.option(fc.record({ endedAt: fc.option(fc.constant(5)), zone: fc.constantFrom('north', 'south') })),
      (changed, incomparable, had, begun) => {
        const before =
          begun === null
            ? null
            : { ...copy, endedAt: begun.endedAt, generation: { ...generation, zone: begun.zone } };
        const { way, reason } = decideCopyWay(
          { kept: had, generation, copy: before },
          { changed, incomparable },
        );
        const isBegun = begun !== null && begun.endedAt === null && begun.zone === 'north';
        const expected =
          changed !== null
            ? 'since-fork'
            : incomparable === null && (isBegun || had !== null)
              ? 'compare'
              : 'replay';
        assert.equal(way, expected);
        assert.notEqual(reason, '');
      },
    ),
  );
});
