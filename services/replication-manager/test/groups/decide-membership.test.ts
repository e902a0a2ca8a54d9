import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideMembership } from '../../src/groups/decide-membership.ts';
import { copyOf, GROUP, promotionOf } from './records.ts';

const others = [copyOf('vol2')];

test('a volume leaves its group as the plans say, but not while it, or another one of the group, is being promoted', () => {
  assert.deepEqual(decideMembership(copyOf('vol1'), null, { others, isRun: false }), { group: null });
  for (const force of [true, false]) {
    const promotion = promotionOf(force);
    assert.equal(decideMembership(copyOf('vol1', { promotion }), null, { others, isRun: false }), null);
    const promoted = [copyOf('vol2', { promotion })];
    assert.equal(decideMembership(copyOf('vol1'), null, { others: promoted, isRun: false }), null);
    const wider = { ...GROUP, members: [...GROUP.members, 'vol3'] };
    assert.equal(decideMembership(copyOf('vol1'), wider, { others: promoted, isRun: false }), null);
  }
});

test('while a plan is run, its volumes are in the groups that they were in when it began', () => {
  assert.equal(decideMembership(copyOf('vol1'), null, { others, isRun: true }), null);
  const outside = { ...copyOf('vol1'), group: null };
  assert.equal(decideMembership(outside, GROUP, { others: [null], isRun: true }), null);
  assert.equal(decideMembership(outside, GROUP, { others: [null], isRun: false })?.group?.name, GROUP.name);
});
