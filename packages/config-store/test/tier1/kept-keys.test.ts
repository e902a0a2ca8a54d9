import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  archiveKey,
  rbdVolumeKey,
  tlogArchivedKey,
  vdiskStaticKey,
  volumeKey,
  worthKeeping,
} from '../../src/index.ts';

const text = (record: object): string => JSON.stringify(record);

test('how far a volume or an archive is makes no configuration of its own; what it is does', () => {
  const cases: [key: string, before: object, further: object, other: object][] = [
    [
      volumeKey('vol1'),
      { role: 'secondary', phase: 'following', sequence: 7, sync: { bytes: 1 }, changedAt: 1 },
      { role: 'secondary', phase: 'following', sequence: 9, sync: { bytes: 2 }, changedAt: 2 },
      { role: 'primary', phase: 'serving', sequence: 9, changedAt: 2 },
    ],
    [
      archiveKey('off-site', 'vol1'),
      { phase: 'following', place: { number: 3 }, writtenAt: 1, snapshots: [] },
      { phase: 'following', place: { number: 4 }, writtenAt: 2, snapshots: [] },
      { phase: 'following', place: { number: 4 }, writtenAt: 2, snapshots: [{ name: 's' }] },
    ],
    [
      rbdVolumeKey('img'),
      { image: 'a', nextPoint: 1, done: [] },
      { image: 'a', nextPoint: 2, done: [{}] },
      { image: 'b', nextPoint: 2, done: [] },
    ],
  ];
  for (const [key, before, further, other] of cases) {
    assert.equal(worthKeeping(key, text(further)), worthKeeping(key, text(before)), key);
    assert.notEqual(worthKeeping(key, text(other)), worthKeeping(key, text(before)), key);
  }
  assert.equal(worthKeeping(tlogArchivedKey('v1'), '{}'), null);
  assert.equal(worthKeeping(vdiskStaticKey('v1'), 'size: 1'), 'size: 1');
  assert.equal(worthKeeping(volumeKey('vol1'), 'no record'), 'no record');
});
