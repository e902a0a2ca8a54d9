import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repairKey } from '@salvor/config-store';
import { repairsWanted } from '../src/repairs-wanted.ts';

const due = [
  { id: 'p1-0-a', attempt: 2, cluster: 'p1' },
  { id: 's1-3-b', attempt: 1, cluster: 's1' },
];
const vdisks = new Map([
  ['p1', ['v1', 'v2', 'v3']],
  ['s1', ['v2']],
]);

function wanted(recorded: readonly string[], server = ''): [string, string[]][] {
  return repairsWanted({ due, vdisks, recorded: new Set(recorded), server }).map(({ vdisk, records }) => [
    vdisk,
    records.map(({ incident, attempt }) => `${incident}/${attempt}`),
  ]);
}

test('a vdisk is wanted once, with every repair of it that is not on record', () => {
  assert.deepEqual(wanted([repairKey('p1-0-a', 2, 'v1'), repairKey('p1-0-a', 1, 'v3')]), [
    ['v2', ['p1-0-a/2', 's1-3-b/1']],
    ['v3', ['p1-0-a/2']],
  ]);
});

test('nothing is wanted when every repair is on record', () => {
  const all = ['v1', 'v2', 'v3'].map((vdisk) => repairKey('p1-0-a', 2, vdisk));
  assert.deepEqual(wanted([...all, repairKey('s1-3-b', 1, 'v2')]), []);
});

test('servers begin at different places of the same list', () => {
  const [one, two] = [wanted([], 'a'), wanted([], 'b')];
  assert.notDeepEqual(one, two);
  const sorted = (list: [string, string[]][]) => list.map(([vdisk]) => vdisk).sort();
  assert.deepEqual(sorted(one), sorted(two));
});
