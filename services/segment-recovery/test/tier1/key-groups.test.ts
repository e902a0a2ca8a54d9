import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  archiveKey,
  instanceKey,
  isConfiguration,
  planKey,
  rbdVolumeKey,
  salvorClusterKey,
  vdiskLifecycleKey,
  vdiskVolumeKey,
  volumeKey,
} from '@salvor/config-store';
import { groupOf } from '../../src/tier1/key-groups.ts';

test('what Tier-2 keeps of clusters, vdisks, volumes, images, archives, instances and plans has a group that brings it back', () => {
  const groups: [string, string][] = [
    [salvorClusterKey('p1'), 'p1'],
    [vdiskLifecycleKey('v1'), 'v1'],
    [vdiskVolumeKey('v1'), 'v1'],
    [volumeKey('vol1'), 'volume vol1'],
    [instanceKey('db'), 'instance db'],
    [planKey('dr'), 'plan dr'],
    [rbdVolumeKey('img'), 'rbd volume img'],
    [archiveKey('off-site', 'vol1'), 'archive off-site of volume vol1'],
  ];
  for (const [key, name] of groups) {
    assert.equal(isConfiguration(key, '{}'), true, key);
    assert.equal(groupOf(key)?.name, name, key);
  }
});
