import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideVdiskDelete } from '../../src/healing/vdisk-admission.ts';
import { vdiskVolumeKey, volumeKey, volumeWorkerKey } from '../../src/keys.ts';
import type { ConfigStore } from '../../src/types.ts';
import { confirmVolume, type VolumeHindrance, volumeHindrance } from '../../src/volumes/volume-hindrance.ts';

const primary = { volume: 'vol1', vdisk: 'v1', role: 'primary', peer: 'south' } as const;

test('a primary is taken once its other zone was heard, or has no copy', () => {
  assert.equal(volumeHindrance(primary, null)?.code, 'volume-unconfirmed');
  assert.match(volumeHindrance(primary, { cleared: false })?.reason ?? '', /zone south was promoted/);
  assert.equal(volumeHindrance(primary, { cleared: true }), null);
  assert.equal(volumeHindrance({ ...primary, peer: null }, null), null);
  assert.equal(volumeHindrance({ ...primary, role: 'secondary' }, null), null);
  assert.equal(volumeHindrance(null, null), null);
});

/** etcd as it is read, with what its manager told. */
function storeOf(told: () => { value: string; revision: string } | null): Pick<ConfigStore, 'get'> {
  const record = {
    ...{ ...primary, phase: 'serving', generation: { number: 1, zone: 'north' }, lineage: [], begins: 0 },
    ...{ sequence: null, known: 1, mode: 'instant', promotion: null, divergence: null, rival: null },
    ...{ trouble: null, point: null, changedAt: 1, reason: '' },
  };
  return {
    async get(key) {
      const entry = { key, revision: '5', createRevision: '5', lease: null };
      if (key === vdiskVolumeKey('v1')) return { ...entry, value: JSON.stringify({ volume: 'vol1' }) };
      if (key === volumeKey('vol1')) return { ...entry, value: JSON.stringify(record) };
      const word = key === volumeWorkerKey('vol1') ? told() : null;
      return word === null ? null : { ...entry, ...word };
    },
  };
}

const cleared = {
  ...{ reachable: true, reason: '', cleared: true, peerSeenAt: 1, level: false, bytes: 0, writtenAt: 0 },
  at: 1,
};

async function confirmedNow(store: Pick<ConfigStore, 'get'>): Promise<VolumeHindrance | null> {
  return (await confirmVolume(store, 'v1'))();
}

test('what was told of a primary before is not taken for what is so now', async () => {
  const value = (view: object): string => JSON.stringify({ worker: 'm1', since: 1, view });
  assert.equal((await confirmedNow(storeOf(() => null)))?.code, 'volume-unconfirmed');
  // The manager died with the zone; etcd still has its word.
  const dead = await confirmedNow(storeOf(() => ({ value: value(cleared), revision: '7' })));
  assert.match(dead?.reason ?? '', /not known yet whether zone south/);
  let looks = 0;
  const alive = (view: object): Pick<ConfigStore, 'get'> =>
    storeOf(() => ({ value: value(view), revision: String(7 + Math.floor(looks++ / 4)) }));
  assert.equal(await confirmedNow(alive(cleared)), null);
  const unsure = await confirmedNow(alive({ ...cleared, cleared: false }));
  assert.equal(unsure?.code, 'volume-unconfirmed');
});

test('a vdisk that is a volume is not deleted under the zone that follows it', () => {
  const state = { exists: true, owner: null, lifecycle: null, clusters: [], mark: null };
  assert.equal(decideVdiskDelete(state, 'v1', 'c').outcome, 'applied');
  const refused = decideVdiskDelete({ ...state, volume: 'vol1' }, 'v1', 'c');
  assert.equal(refused.code, 'vdisk-busy');
  assert.match(refused.reason, /salvor volume disable vol1/);
});
