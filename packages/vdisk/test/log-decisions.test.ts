import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decideLogCatchUp, decideLogOpening, type FoundLog } from '../src/log/log-decisions.ts';
import { RING_SLOTS } from '../src/write-history.ts';

const tail = { number: 9, sequence: 100, base: 41, positions: new Map([[0, 7]]) };
const found: FoundLog = {
  config: { begins: { number: 0, sequence: 0 } },
  state: { status: 'whole', reason: 'r', sequence: 41 },
  tail,
  lost: null,
  place: { number: 9, sequence: 100 },
  isUntouched: false,
};
const opening = (changes: Partial<FoundLog>) => decideLogOpening({ ...found, ...changes });

describe('an owner that takes a log up', () => {
  it('goes on where it ended, with its base and positions', () => {
    assert.deepEqual(opening({}), {
      kind: 'catch-up',
      begin: { base: 41, keepsPositions: true },
      positions: tail.positions,
      reason: 'it goes on behind segment 9',
    });
  });

  it('begins a base where anything about it is in doubt', () => {
    const doubts: Partial<FoundLog>[] = [
      { state: null },
      { state: { status: 'broken', reason: 'full', sequence: 41 } },
      { state: { status: 'basing', reason: 'r', sequence: 77 } },
      { lost: 'segment 12 is archived, and Tier-1 has 9' },
      { tail: { ...tail, base: 0 } },
      { tail: null },
      { config: { begins: { number: 9, sequence: 100 } } },
    ];
    for (const doubt of doubts) {
      const decided = opening(doubt);
      assert.equal(decided.kind, 'base', JSON.stringify(doubt));
      assert.deepEqual(decided.begin, { base: 0, keepsPositions: false });
    }
  });

  it('trusts a base that was completed although its owner did not live to say so', () => {
    assert.equal(opening({ state: { status: 'basing', reason: 'r', sequence: 41 } }).kind, 'catch-up');
  });

  it('has nothing to add for a vdisk that nobody ever wrote to, also behind an earlier log of its name', () => {
    const fresh = { isUntouched: true, config: { begins: { number: 9, sequence: 100 } } };
    assert.deepEqual(opening(fresh).begin, { base: 101, keepsPositions: false });
    assert.equal(opening(fresh).kind, 'fresh');
    assert.equal(opening({ ...fresh, isUntouched: null }).kind, 'base');
    assert.equal(opening({ ...fresh, state: { status: 'broken', reason: 'r', sequence: 0 } }).kind, 'base');
  });
});

describe('what a log lacks of a shard', () => {
  const head = { seq: 50, fork: null, ringFloor: 0 };

  it('is nothing at the same batch, and what the ring names behind an earlier one', () => {
    assert.deepEqual(decideLogCatchUp(50, head), { kind: 'level' });
    assert.deepEqual(decideLogCatchUp(null, { ...head, seq: 0 }), { kind: 'level' });
    assert.deepEqual(decideLogCatchUp(44, head), {
      kind: 'blocks',
      ring: { after: 44, upTo: 50 },
      dirtyMap: false,
    });
  });

  it('is in the dirty map as well while a member serves alone', () => {
    const alone = { ...head, fork: 46 };
    assert.deepEqual(decideLogCatchUp(44, alone), {
      kind: 'blocks',
      ring: { after: 44, upTo: 46 },
      dirtyMap: true,
    });
    assert.deepEqual(decideLogCatchUp(48, alone), { kind: 'blocks', ring: null, dirtyMap: true });
  });

  it('cannot be told from a ring that is too short', () => {
    assert.equal(decideLogCatchUp(10, { ...head, ringFloor: 11 }).kind, 'base');
    assert.equal(decideLogCatchUp(1, { ...head, seq: RING_SLOTS + 2 }).kind, 'base');
    assert.equal(decideLogCatchUp(1, { ...head, seq: RING_SLOTS + 1 }).kind, 'blocks');
  });

  it('is a matter for a replay when the log has more', () => {
    const ahead = decideLogCatchUp(51, head);
    assert.equal(ahead.kind, 'ahead');
    assert.match(ahead.kind === 'ahead' ? ahead.reason : '', /batch 51.*batch 50.*salvor dr replay/);
  });

  it('never leaves a batch out: ring and dirty map begin where the log ends, or everything is copied', () => {
    const count = fc.nat({ max: 3 * RING_SLOTS });
    fc.assert(
      fc.property(count, count, fc.option(count), count, (position, seq, fork, ringFloor) => {
        const at = { seq, fork: fork === null ? null : Math.min(fork, seq), ringFloor };
        const missing = decideLogCatchUp(position, at);
        if (missing.kind === 'level') return assert.equal(position, seq);
        if (missing.kind === 'ahead') return assert.ok(position > seq);
        if (missing.kind === 'base') return assert.ok(position < seq);
        const covered = missing.ring === null ? position : missing.ring.upTo;
        if (missing.ring !== null) {
          assert.equal(missing.ring.after, position);
          assert.ok(position >= ringFloor);
        }
        assert.ok(covered >= seq || (missing.dirtyMap && covered >= (at.fork ?? seq)));
      }),
    );
  });
});
