import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  archiveKey,
  archiveWorkerKey,
  closedIncidentKey,
  clusterStorageKey,
  clusterTlogKey,
  clusterZerostorKey,
  healingClusterKey,
  healingEverywhereKey,
  incidentKey,
  incidentRepairsPrefix,
  operationKey,
  ownerKey,
  type ParsedKey,
  parseKey,
  planActiveKey,
  planKey,
  planRunKey,
  rbdVolumeKey,
  recoveredVdiskKey,
  recoveryKey,
  repairKey,
  repairsPrefix,
  restartsKey,
  StoreError,
  salvorClusterKey,
  segmentContainerKey,
  segmentKey,
  segmentRecoveryKey,
  segmentRecoveryOwnerKey,
  serverVdisksKey,
  tlogConfigKey,
  tlogSnapshotKey,
  tlogStateKey,
  vdiskNbdKey,
  vdiskStaticKey,
  vdiskTlogKey,
  vdiskVolumeKey,
  volumeKey,
  volumePointKey,
  volumeWorkerKey,
} from '@salvor/config-store';
import fc from 'fast-check';

const pairs: readonly (readonly [key: string, parsed: ParsedKey])[] = [
  [vdiskStaticKey('v1'), { kind: 'vdisk-static', vdisk: 'v1' }],
  [vdiskStaticKey('ubuntu:latest'), { kind: 'vdisk-static', vdisk: 'ubuntu:latest' }],
  [vdiskNbdKey('v1'), { kind: 'vdisk-nbd', vdisk: 'v1' }],
  [vdiskTlogKey('v1'), { kind: 'vdisk-tlog', vdisk: 'v1' }],
  [clusterStorageKey('c1'), { kind: 'cluster-storage', cluster: 'c1' }],
  [clusterZerostorKey('c1'), { kind: 'cluster-zerostor', cluster: 'c1' }],
  [clusterTlogKey('c1'), { kind: 'cluster-tlog', cluster: 'c1' }],
  [volumeKey('vol1'), { kind: 'volume', volume: 'vol1' }],
  [archiveKey('a1', 'vol1'), { kind: 'archive', archive: 'a1', volume: 'vol1' }],
  [archiveWorkerKey('a1', 'vol1'), { kind: 'archive-worker', archive: 'a1', volume: 'vol1' }],
  [volumeWorkerKey('vol1'), { kind: 'volume-worker', volume: 'vol1' }],
  [planKey('shop'), { kind: 'plan', plan: 'shop' }],
  [planActiveKey('shop'), { kind: 'plan-active', plan: 'shop' }],
  [planRunKey('shop', 'op-1'), { kind: 'plan-run', plan: 'shop', run: 'op-1' }],
  [volumePointKey('vol1', '2.south.7'), { kind: 'volume-point', volume: 'vol1', point: '2.south.7' }],
  [vdiskVolumeKey('v1'), { kind: 'vdisk-volume', vdisk: 'v1' }],
  [serverVdisksKey('nbd-1'), { kind: 'server-vdisks', server: 'nbd-1' }],
  [salvorClusterKey('c1'), { kind: 'salvor-cluster', cluster: 'c1' }],
  [rbdVolumeKey('vol1'), { kind: 'rbd-volume', volume: 'vol1' }],
  [incidentKey('c1', 0), { kind: 'incident', cluster: 'c1', shard: 0 }],
  [closedIncidentKey('i1'), { kind: 'closed-incident', incident: 'i1' }],
  [restartsKey('c1', 2), { kind: 'restarts', cluster: 'c1', shard: 2 }],
  [healingEverywhereKey, { kind: 'healing-everywhere' }],
  [healingClusterKey('c1'), { kind: 'healing-cluster', cluster: 'c1' }],
  [ownerKey('v1'), { kind: 'vdisk-owner', vdisk: 'v1' }],
  [operationKey('o1'), { kind: 'operation', operation: 'o1' }],
  [recoveryKey('c1'), { kind: 'recovery', cluster: 'c1' }],
  [recoveredVdiskKey('c1', 'v1'), { kind: 'recovered-vdisk', cluster: 'c1', vdisk: 'v1' }],
  [tlogConfigKey('v1'), { kind: 'tlog-config', vdisk: 'v1' }],
  [tlogStateKey('v:1'), { kind: 'tlog-state', vdisk: 'v:1' }],
  [tlogSnapshotKey('v1', 'x y'), { kind: 'tlog-snapshot', vdisk: 'v1', name: 'x y' }],
  [segmentContainerKey(3), { kind: 'segment-container', container: 3 }],
  [segmentKey(3, 'a/b/0.#epoch.0'), { kind: 'segment', container: 3, segment: 'a/b/0.#epoch.0' }],
  [segmentRecoveryKey('o1'), { kind: 'segment-recovery', operation: 'o1' }],
  [segmentRecoveryOwnerKey, { kind: 'segment-recovery-owner' }],
  [repairKey('i1', 2, 'v1'), { kind: 'repair', incident: 'i1', attempt: 2, vdisk: 'v1' }],
];

describe('a key', () => {
  it('has the form that 0-Disk and Salvor agreed on', () => {
    assert.equal(vdiskStaticKey('a'), 'a:vdisk:conf:static');
    assert.equal(vdiskNbdKey('a'), 'a:vdisk:conf:storage:nbd');
    assert.equal(vdiskTlogKey('a'), 'a:vdisk:conf:storage:tlog');
    assert.equal(clusterStorageKey('a'), 'a:cluster:conf:storage');
    assert.equal(serverVdisksKey('a'), 'a:nbdserver:conf:vdisks');
    assert.equal(salvorClusterKey('a'), '/salvor/clusters/a');
    assert.equal(incidentKey('a', 3), '/salvor/incidents/a/3');
    assert.equal(tlogConfigKey('a'), '/salvor/tlogs/a/config');
    assert.equal(tlogStateKey('a'), '/salvor/tlogs/a/state');
    assert.equal(closedIncidentKey('a'), '/salvor/incidents-closed/a');
    assert.equal(healingEverywhereKey, '/salvor/healing/everywhere');
    assert.equal(healingClusterKey('a'), '/salvor/healing/clusters/a');
    assert.equal(ownerKey('a'), '/salvor/vdisks/a/owner');
    assert.equal(operationKey('a'), '/salvor/operations/a');
    assert.equal(repairKey('a', 1, 'b'), '/salvor/repairs/a/1/b');
    assert.equal(repairKey('a', 1, 'b').startsWith(repairsPrefix('a', 1)), true);
    assert.equal(incidentRepairsPrefix('a'), '/salvor/repairs/a/');
  });

  for (const [key, parsed] of pairs) {
    it(`${key} says what it is about`, () => assert.deepEqual(parseKey(key), parsed));
  }

  it('is read back for any id, also one with slashes, colons and blanks', () => {
    const id = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(id, (vdisk) => {
        fc.pre(!vdisk.startsWith('/salvor/'));
        assert.deepEqual(parseKey(ownerKey(vdisk)), { kind: 'vdisk-owner', vdisk });
        assert.deepEqual(parseKey(vdiskStaticKey(vdisk)), { kind: 'vdisk-static', vdisk });
        assert.deepEqual(parseKey(repairKey('i', 1, vdisk)), {
          kind: 'repair',
          incident: 'i',
          attempt: 1,
          vdisk,
        });
      }),
    );
  });

  it('of someone else is nobody we know', () => {
    for (const key of [
      '',
      'v1',
      ':vdisk:conf:static',
      'tlog:v1:first_meta',
      '/salvor/',
      '/salvor/clusters/',
      '/salvor/clusters/a/b',
      '/salvor/incidents/a/x',
      '/salvor/incidents/a/01',
      '/salvor/vdisks/a/other',
      '/salvor/repairs/i/0/v',
      '/salvor/vdisks/%zz/owner',
      '/salvor/vdisks/%61/owner',
      '/salvor/vdisks/a:vdisk:conf:static',
    ]) {
      assert.equal(parseKey(key), null, key);
    }
  });

  it('is not built from an empty id or a number that cannot be', () => {
    for (const build of [
      () => vdiskStaticKey(''),
      () => vdiskStaticKey('/salvor/x'),
      () => ownerKey(''),
      () => incidentKey('a', -1),
      () => incidentKey('a', 1.5),
      () => repairKey('a', 0, 'v'),
    ]) {
      assert.throws(build, (error) => error instanceof StoreError && error.code === 'invalid-key');
    }
  });
});
