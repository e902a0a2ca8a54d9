import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlan } from '@salvor/config-store';
import { decideGroupFaults } from '../../src/plans/decide-group-faults.ts';

const documentOf = (plan: string, volumes: readonly string[], consistent = true) =>
  parsePlan(
    JSON.stringify({
      ...{ plan, zones: ['north', 'south'] },
      groups: [
        { name: 'a', volumes: ['vol0'] },
        { name: 'b', volumes, ...(consistent ? { consistent } : {}) },
      ],
    }),
  );
const stored = (plan: string, volumes: readonly string[], consistent = true) => ({
  plan,
  document: documentOf(plan, volumes, consistent),
});
const none: ReadonlySet<string> = new Set();

test('a volume is in one consistent group, whatever plans name it; the place that is wrong is told', () => {
  const shop = documentOf('shop', ['vol1', 'vol2']);
  assert.deepEqual(decideGroupFaults(shop, [], none), []);
  assert.deepEqual(decideGroupFaults(shop, [stored('shop', ['vol2', 'vol1'])], none), []);
  assert.deepEqual(decideGroupFaults(shop, [stored('bar', ['vol1', 'vol2'], false)], none), []);
  assert.deepEqual(decideGroupFaults(shop, [{ plan: 'bar', document: null }], none), []);
  for (const plan of ['bar', 'zoo']) {
    const faults = decideGroupFaults(shop, [stored(plan, ['vol2', 'vol3'])], none);
    assert.deepEqual(
      faults.map(({ path }) => path),
      ['groups[1].volumes[1]'],
    );
    assert.match(faults[0]?.expected ?? '', new RegExp(`vol2 is in ${plan}/b`));
  }
});

test('an image of Ceph is in no consistent group, and may be in any other', () => {
  const images = new Set(['vol0', 'vol1']);
  const faults = decideGroupFaults(documentOf('shop', ['vol1', 'vol2']), [], images);
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['groups[1].volumes[0]'],
  );
  assert.deepEqual(decideGroupFaults(documentOf('shop', ['vol1', 'vol2'], false), [], images), []);
});
