import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decideSegmentWrite } from '../src/recovery/decide-segment-write.ts';

const digest = fc.constantFrom('same', 'other');
const operation = fc.constantFrom('this', 'earlier');
const found = fc.record({
  record: fc.option(fc.record({ digest, operation })),
  log: fc.option(fc.record({ digest: fc.option(digest), operation })),
});

describe('what is done with a segment that Tier-1 may have', () => {
  it('writes over nothing that is whole and otherwise, unless asked to', () => {
    fc.assert(
      fc.property(found, fc.boolean(), (tier1, replace) => {
        const { action } = decideSegmentWrite(tier1, { digest: 'same', operation: 'this', replace });
        const isOtherwise = tier1.record?.digest === 'other' || tier1.log?.digest === 'other';
        if (isOtherwise) assert.equal(action, replace ? 'write' : 'leave');
        else assert.notEqual(action, 'leave');
      }),
    );
  });

  it('does nothing twice: after a write there is nothing left to do', () => {
    fc.assert(
      fc.property(found, fc.boolean(), (tier1, replace) => {
        const wanted = { digest: 'same', operation: 'this', replace };
        const { action } = decideSegmentWrite(tier1, wanted);
        if (action !== 'write' && action !== 'register') return;
        const written = { digest: 'same', operation: 'this' };
        assert.equal(decideSegmentWrite({ record: written, log: written }, wanted).action, 'written');
        assert.equal(
          decideSegmentWrite({ record: written, log: written }, { ...wanted, operation: 'later' }).action,
          'already',
        );
      }),
    );
  });

  it('keeps a log that is whole, and writes one that is not', () => {
    const wanted = { digest: 'same', operation: 'this', replace: false };
    const whole = { digest: 'same', operation: 'earlier' };
    assert.equal(decideSegmentWrite({ record: null, log: whole }, wanted).action, 'register');
    assert.equal(decideSegmentWrite({ record: whole, log: null }, wanted).action, 'write');
    assert.equal(
      decideSegmentWrite({ record: null, log: { digest: null, operation: 'earlier' } }, wanted).action,
      'write',
    );
  });
});
