import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideVdiskDelete } from '../../src/healing/vdisk-admission.ts';
import { volumeHindrance } from '../../src/volumes/volume-hindrance.ts';

const primary = { volume: 'vol1', vdisk: 'v1', role: 'primary', peer: 'south', mode: 'instant' } as const;

test('a primary is taken once its other zone was heard, or has no copy', () => {
  assert.equal(volumeHindrance(primary, null)?.code, 'volume-unconfirmed');
  assert.match(volumeHindrance(primary, { cleared: false })?.reason ?? '', /zone south was promoted/);
  assert.equal(volumeHindrance(primary, { cleared: true }), null);
  assert.equal(volumeHindrance({ ...primary, mode: 'none' }, null), null);
  assert.equal(volumeHindrance({ ...primary, peer: null }, null), null);
  assert.equal(volumeHindrance({ ...primary, role: 'secondary' }, null), null);
  assert.equal(volumeHindrance(null, null), null);
});

test('a vdisk that is a volume is not deleted under the zone that follows it', () => {
  const state = { exists: true, owner: null, lifecycle: null, clusters: [], mark: null };
  assert.equal(decideVdiskDelete(state, 'v1', 'c').outcome, 'applied');
  const refused = decideVdiskDelete({ ...state, volume: 'vol1' }, 'v1', 'c');
  assert.equal(refused.code, 'vdisk-busy');
  assert.match(refused.reason, /salvor volume disable vol1/);
});
