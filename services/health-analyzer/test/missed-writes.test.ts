import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideMissedWrites } from '../src/missed-writes.ts';
import type { Observation } from '../src/observation.ts';

const server = (
  observer: string,
  ...vdisks: [vdisk: string, missedWrites: boolean | null][]
): Observation => ({
  ...{ observer, role: 'server', kind: 'healthy', detail: 'well', at: 1, healthyInARow: 1 },
  vdisks: vdisks.map(([vdisk, missedWrites]) => ({ vdisk, missedWrites })),
});
const owned = [
  { vdisk: 'v1', server: 'nbd-1' },
  { vdisk: 'v2', server: 'nbd-2' },
];

test('no write was missed only where the owner of every vdisk says so', () => {
  const both = [server('nbd-1', ['v1', false]), server('nbd-2', ['v2', false])];
  assert.equal(decideMissedWrites(owned, both), false);
  assert.equal(decideMissedWrites([], []), false, 'nobody owns a vdisk: nobody took a write');
});

test('one write that was missed is enough', () => {
  assert.equal(decideMissedWrites(owned, [server('nbd-1', ['v1', true]), server('nbd-2')]), true);
});

test('who does not answer, cannot tell, or speaks for another one says nothing', () => {
  const first = server('nbd-1', ['v1', false]);
  for (const second of [
    [],
    [server('nbd-2')],
    [server('nbd-2', ['v2', null])],
    [server('nbd-3', ['v2', false])],
  ])
    assert.equal(decideMissedWrites(owned, [first, ...second]), null);
});
