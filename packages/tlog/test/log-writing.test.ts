import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideBegin, decideConflict, decidePublishTrouble } from '../src/log-writing.ts';

const mine = { number: 7, epoch: 40 };
const newest = (number: number, epoch: number) => ({ streamSequence: 99, segment: { number, epoch } });
const tail = { number: 7, sequence: 70, epoch: 40, base: 1, positions: new Map<number, number>() };

describe('a segment that was refused because another one is the newest', () => {
  it('was stored, when that is itself', () => {
    assert.deepEqual(decideConflict(mine, newest(7, 40)), { kind: 'stored', streamSequence: 99 });
  });

  it('can be sent again behind the one before, wherever that is', () => {
    assert.deepEqual(decideConflict(mine, newest(6, 40)), { kind: 'again', streamSequence: 99 });
    assert.deepEqual(decideConflict(mine, newest(6, 12)), { kind: 'again', streamSequence: 99 });
  });

  it('is the last word of its owner, when a higher epoch wrote it', () => {
    for (const number of [1, 6, 7, 8]) assert.equal(decideConflict(mine, newest(number, 41)).kind, 'fenced');
  });

  it('has lost what was before it, when anything else is the newest, or nothing', () => {
    assert.equal(decideConflict(mine, null).kind, 'lost');
    for (const number of [1, 5, 8]) assert.equal(decideConflict(mine, newest(number, 40)).kind, 'lost');
    assert.equal(decideConflict(mine, newest(7, 39)).kind, 'lost');
  });
});

describe('an owner that takes a log up', () => {
  it('goes on behind the newest segment of Tier-1', () => {
    assert.deepEqual(decideBegin(41, tail, null), { kind: 'begin', tail, place: tail, lost: null });
    assert.deepEqual(decideBegin(41, tail, { number: 5, sequence: 50 }), {
      ...{ kind: 'begin', tail, place: tail, lost: null },
    });
  });

  it('begins with segment 1 where there is nothing', () => {
    const begin = decideBegin(41, null, null);
    assert.deepEqual(begin, { kind: 'begin', tail: null, place: { number: 0, sequence: 0 }, lost: null });
  });

  it('says what is lost when Tier-1 has less than what is archived', () => {
    const archived = { number: 9, sequence: 90 };
    for (const less of [tail, null]) {
      const begin = decideBegin(41, less, archived);
      assert.equal(begin.kind, 'begin');
      assert.deepEqual(begin.kind === 'begin' && begin.place, archived);
      assert.match((begin.kind === 'begin' && begin.lost) || '', /segment 9 is archived/);
    }
  });

  it('is fenced by a higher epoch, and not by its own', () => {
    assert.equal(decideBegin(39, tail, null).kind, 'fenced');
    assert.equal(decideBegin(40, tail, null).kind, 'begin');
  });
});

it('nothing but a closed connection and a conflict keeps a segment from being sent again as it is', () => {
  assert.equal(decidePublishTrouble('bus-closed'), 'closed');
  assert.equal(decidePublishTrouble('wrong-last-sequence'), 'look');
  for (const code of [
    'publish-deadline',
    'disconnected',
    'no-stream',
    'stream-full',
    'not-permitted',
    'anything',
  ])
    assert.equal(decidePublishTrouble(code), 'again');
});
