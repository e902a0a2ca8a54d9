import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Content, type Primary, relationOf } from '../../src/volumes/volume-lineage.ts';

const generation = { number: 1, zone: 'north', incarnation: 'a' };
const segment = { number: 77, epoch: 5, last: 520, at: 9, base: 1 };
const copy: Content = { generation, lineage: [], sequence: 520, segment, isOwn: false };
const primary: Primary = { generation, lineage: [], begins: 0, begun: null };

test('a volume that was disabled and enabled again is not followed as what it was', () => {
  assert.deepEqual(relationOf(copy, primary), { kind: 'follow', sequence: 520, segment });
  const again = { ...primary, generation: { ...generation, incarnation: 'b' } };
  assert.equal(relationOf(copy, again).kind, 'split');
});

test('an old primary goes on only where its own log has the very segment that the other zone built on', () => {
  const old: Content = { ...copy, isOwn: true };
  const promoted: Primary = {
    generation: { ...generation, number: 2, zone: 'south' },
    lineage: [{ generation, ends: 520, segment }],
    ...{ begins: 400, begun: { ...segment, number: 30, last: 400 } },
  };
  assert.equal(relationOf(old, promoted).kind, 'unproven');
  const held = relationOf(old, promoted, { segment, isHeld: true });
  assert.deepEqual(held, { kind: 'follow', sequence: 400, segment: promoted.begun });
  for (const isHeld of [false, null])
    assert.equal(relationOf(old, promoted, { segment, isHeld }).kind, 'split');
  assert.equal(relationOf({ ...old, sequence: 510 }, promoted).kind, 'split');
  const past = relationOf({ ...old, sequence: 580 }, promoted, { segment, isHeld: true });
  assert.deepEqual(past.kind === 'split' && [past.records, past.fork?.sequence], [60, 520]);
});
