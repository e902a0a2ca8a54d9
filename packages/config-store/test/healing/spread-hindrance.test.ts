import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideSpreadHindrance, type PlacedVdisk } from '../../src/healing/spread-hindrance.ts';

const pair = { cluster: 'p', partner: 's' };

function vdisk(changes: object = {}, type: PlacedVdisk['type'] = 'db'): PlacedVdisk {
  const nbd = {
    ...{
      storageClusterID: 'p',
      slaveStorageClusterID: 's',
      templateStorageClusterID: '',
      tlogServerClusterID: '',
    },
    ...changes,
  };
  return { vdisk: 'v1', type, nbd };
}

describe('the blocks of a pair', () => {
  it('can be spread while every vdisk on it lies on both clusters', () => {
    const vdisks = [
      vdisk(),
      vdisk({}, 'volume'),
      vdisk({}, 'cache'),
      vdisk({ storageClusterID: 'q', slaveStorageClusterID: 't' }, 'boot'),
    ];
    assert.equal(decideSpreadHindrance(vdisks, pair), null);
    assert.equal(decideSpreadHindrance(vdisks, { cluster: 's', partner: 'p' }), null);
  });

  const cases: readonly [what: string, vdisk: PlacedVdisk, says: RegExp][] = [
    ['a boot vdisk', vdisk({}, 'boot'), /of type boot/],
    ['a vdisk without a slave', vdisk({ slaveStorageClusterID: '' }), /v1 has no copy on s/],
    ['a vdisk with another slave', vdisk({ slaveStorageClusterID: 't' }), /v1 has no copy on s/],
    [
      'a vdisk elsewhere that reads its template there',
      vdisk({ storageClusterID: 'q', slaveStorageClusterID: 't', templateStorageClusterID: 'p' }, 'boot'),
      /content of its template from p/,
    ],
    ['a vdisk without a shape', vdisk({}, null), /cannot be read/],
    [
      'a vdisk whose place is unknown',
      { vdisk: 'v1', type: null, nbd: new Error('no YAML') },
      /cannot be read: no YAML/,
    ],
  ];
  for (const [what, one, says] of cases) {
    it(`are kept from it by ${what}`, () => {
      assert.match(decideSpreadHindrance([vdisk(), one], pair) ?? 'nothing', says);
    });
  }
});
