import assert from 'node:assert/strict';
import { test } from 'node:test';
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
