import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PeerTold, unlimitedLink } from '@salvor/config-store';
import { decideSpent } from '../src/decide-spent.ts';
import { copyOf, cutAt, NORTH, segmentAt } from './groups/records.ts';

const third = { ...NORTH, number: 3 };
const current = { token: '3-north', last: 70 };
const earlier = { token: '1-north', last: 60 };
const elsewhere = { token: '2-west-a', last: 900 };
const parts = [current, earlier, elsewhere];
const copy = copyOf('vol1', { generation: third, sequence: 60, segment: segmentAt(60) });

test('what a complete copy has taken the place of is let go of, and of its own log only what is applied', () => {
  assert.deepEqual(decideSpent(copy, parts, null), [earlier, elsewhere]);
  assert.deepEqual(decideSpent({ ...copy, sequence: 59 }, parts, null), [elsewhere]);
  const group = copy.group ?? assert.fail();
  const released = { ...copy, group: { ...group, released: cutAt(4, 60) } };
  assert.deepEqual(decideSpent(released, parts, null), [elsewhere]);
});

test('nothing is let go of before the copy is complete, or while what was there before may come back', () => {
  for (const phase of ['copying', 'resyncing', 'waiting', 'settling', 'split'] as const)
    assert.deepEqual(decideSpent({ ...copy, phase }, parts, null), []);
  const kept = {
    ...{ generation: NORTH, lineage: [], sequence: 60, segment: null },
    ...{ ownSequence: null, ownSegment: null },
  };
  assert.deepEqual(decideSpent({ ...copy, kept }, parts, null), []);
});

test('a primary keeps what arrived before its promote until the other zone has a complete copy of what it writes', () => {
  const own = { number: 4, zone: 'south', incarnation: '' };
  const primary = copyOf('vol1', { role: 'primary', phase: 'serving', generation: own, sequence: null });
  const told: PeerTold = {
    ...{
      zone: 'north',
      role: 'secondary',
      phase: 'following',
      generation: own,
      lineage: [],
      begins: 0,
      begun: null,
    },
    ...{
      sequence: 1,
      peer: 'south',
      mode: 'instant',
      link: unlimitedLink,
      schedule: null,
      promotionAt: null,
    },
  };
  assert.deepEqual(decideSpent(primary, parts, told), parts);
  for (const other of [null, { ...told, phase: 'copying' as const }, { ...told, generation: third }])
    assert.deepEqual(decideSpent(primary, parts, other), []);
});
