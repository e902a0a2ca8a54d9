import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideHistoryFit,
  decideLeftBehind,
  decideLevelling,
  decideTailMissing,
  type FoundHistory,
} from '../src/member-history.ts';

function at(
  seq: number,
  more: Partial<FoundHistory> & { fork?: number | null; ringFloor?: number } = {},
): FoundHistory {
  const { fork = null, ringFloor = 0, isMarked = false, isUnderCopy = false } = more;
  return { head: { seq, fork, ringFloor }, isMarked, isUnderCopy };
}

test('members at the same batch are level', () => {
  assert.deepEqual(decideLevelling(at(7), at(7)), { kind: 'level' });
});

test('one batch apart is a batch that an owner did not finish, more is a lost tail', () => {
  assert.deepEqual(decideLevelling(at(7), at(8)), { kind: 'copy-last-batch', from: 1 });
  assert.deepEqual(decideLevelling(at(9), at(7)), { kind: 'tail-lost', behind: 1, lead: 2 });
  assert.deepEqual(
    decideLevelling(at(8, { ringFloor: 8 }), at(7)),
    { kind: 'tail-lost', behind: 1, lead: 1 },
    'the ring does not tell what the batch touched',
  );
});

test('a member that served alone is the survivor of one that has not gone on since', () => {
  assert.deepEqual(decideLevelling(at(9, { fork: 5 }), at(5)), { kind: 'left-alone', survivor: 0 });
  assert.deepEqual(decideLevelling(at(9), at(9, { isMarked: true })), { kind: 'left-alone', survivor: 1 });
  assert.deepEqual(
    decideLevelling(at(9, { isMarked: true }), at(10, { isUnderCopy: true })),
    { kind: 'left-alone', survivor: 0 },
    'the one ahead is not repaired yet',
  );
});

test('a member that fell back to when it served alone is not the survivor of one that was repaired since', () => {
  assert.deepEqual(decideLevelling(at(9, { fork: 5, isMarked: true }), at(20)), {
    kind: 'tail-lost',
    behind: 0,
    lead: 11,
  });
  assert.deepEqual(decideLevelling(at(20), at(19, { isMarked: true })), {
    kind: 'tail-lost',
    behind: 1,
    lead: 1,
  });
});

test('a required member is left behind by one that serves alone, but not when it has gone on since', () => {
  const alone = { fork: 5, seq: 9, failed: false };
  assert.equal(decideLeftBehind([alone, { fork: null, seq: 5, failed: false }]), 1);
  assert.equal(decideLeftBehind([{ fork: null, seq: null, failed: false }, alone]), 0);
  assert.equal(decideLeftBehind([alone, { fork: null, seq: 12, failed: false }]), null);
  assert.equal(decideLeftBehind([alone, { fork: null, seq: 5, failed: true }]), null);
});

test('a member fits where nothing acknowledged is missing and nothing is there that was never sent', () => {
  const known = { isKnown: true, seq: 5, sent: 7 };
  assert.deepEqual(
    [4, 5, 7, 8].map((found) => decideHistoryFit(known, found)),
    ['lost-writes', 'fits', 'fits', 'foreign-writes'],
  );
  assert.equal(decideHistoryFit({ ...known, isKnown: false }, 99), 'fits');
});

test('a stale partner that is more than an unfinished batch ahead tells of a lost tail', () => {
  assert.equal(decideTailMissing(7, 9), true);
  assert.equal(decideTailMissing(7, 8), false);
  assert.equal(decideTailMissing(7, 3), false);
  assert.equal(decideTailMissing(7, null), false);
});
