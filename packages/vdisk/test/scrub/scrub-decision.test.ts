import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MemberName } from '../../src/pair-mode.ts';
import { decideScrubRepair, type SideEvidence } from '../../src/scrub/scrub-decision.ts';

const side = fc.record<SideEvidence>({
  checksum: fc.constantFrom('matches', 'fails', null),
  lastBatch: fc.option(fc.nat(3), { nil: null }),
});
const preference = fc.constantFrom<(MemberName | null)[]>('primary', 'slave', null);

test('a copy that fails its checksum is never taken, and one that alone fails is always repaired', () => {
  fc.assert(
    fc.property(side, side, preference, (primary, slave, prefer) => {
      const decision = decideScrubRepair({ primary, slave }, prefer);
      if (decision.kind === 'repair') assert.notEqual({ primary, slave }[decision.from].checksum, 'fails');
      const failing = [primary, slave].filter(({ checksum }) => checksum === 'fails').length;
      if (failing === 1) assert.equal(decision.kind, 'repair');
      if (failing === 2) assert.equal(decision.kind, 'report');
    }),
  );
});

test('what neither checksum nor history proves is repaired only from the side that the operator names', () => {
  fc.assert(
    fc.property(side, preference, (one, prefer) => {
      fc.pre(one.checksum !== 'fails');
      const decision = decideScrubRepair({ primary: one, slave: one }, prefer);
      assert.equal(decision.kind === 'repair' ? decision.from : null, prefer);
    }),
  );
});

test('the history that shows a later batch of the block is right, whatever the operator prefers', () => {
  const missed = { checksum: null, lastBatch: null };
  const wrote = { checksum: null, lastBatch: 7 };
  const decision = decideScrubRepair({ primary: missed, slave: wrote }, 'primary');
  assert.equal(decision.kind === 'repair' ? decision.from : null, 'slave');
  assert.match(decision.reason, /slave's history shows batch 7/);
});
