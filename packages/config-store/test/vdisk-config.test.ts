import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ConfigValueError,
  formatServerVdisks,
  formatVdiskNbd,
  formatVdiskStatic,
  parseServerVdisks,
  parseVdiskNbd,
  parseVdiskStatic,
  type VdiskStatic,
  vdiskSizeBytes,
} from '@salvor/config-store';

const vdisk: VdiskStatic = {
  blockSize: 4096,
  size: 10,
  type: 'db',
  readOnly: false,
  templateVdiskID: '',
};

describe('a vdisk', () => {
  it('is read back as written, with unknown members', () => {
    const extended = { ...vdisk, extra: { zone: 'ams', tags: ['a', 'b'] } };
    assert.deepEqual(parseVdiskStatic(formatVdiskStatic(extended)), extended);
  });

  it('is written only with a size in whole GiB, although 1.5 is read as 1', () => {
    assert.equal(parseVdiskStatic('blockSize: 4096\nsize: 1.5\ntype: db\n').size, 1);
    assert.throws(() => formatVdiskStatic({ ...vdisk, size: 1.5 }), /size is 1\.5, expected a whole number/);
    for (const size of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40]) {
      assert.throws(() => formatVdiskStatic({ ...vdisk, size }), ConfigValueError, String(size));
    }
  });

  it('is written only with a block size that stock servers take', () => {
    for (const blockSize of [0, 511, 1000, 4096.5, 2 ** 40]) {
      assert.throws(() => formatVdiskStatic({ ...vdisk, blockSize }), ConfigValueError, String(blockSize));
    }
  });

  it('has a size in bytes', () => assert.equal(vdiskSizeBytes(vdisk), 10_737_418_240));

  it('names every wrong member at once', () => {
    assert.throws(
      () => parseVdiskStatic('blockSize: 1000\nsize: no\ntype: disk\nreadOnly: 1\n'),
      (error) =>
        error instanceof ConfigValueError &&
        error.details.map(({ path }) => path).join() === 'size,blockSize,type,readOnly',
    );
  });
});

describe('the storage of a vdisk', () => {
  it('is read back as written, without empty members', () => {
    const nbd = {
      storageClusterID: '1',
      templateStorageClusterID: '',
      slaveStorageClusterID: 'yes',
      tlogServerClusterID: '',
    };
    const value = formatVdiskNbd(nbd);
    assert.doesNotMatch(value, /template|tlog/);
    assert.deepEqual(parseVdiskNbd(value), nbd);
  });

  it('must name a primary cluster', () => {
    assert.throws(
      () => parseVdiskNbd('storageClusterID: {}\n'),
      /storageClusterID is a map, expected a string/,
    );
  });
});

describe('the vdisk list of a server', () => {
  it('is read back as written', () => {
    const list = { vdisks: ['23', 'ubuntu:latest', 'null', 'a b'] };
    assert.deepEqual(parseServerVdisks(formatServerVdisks(list)), list);
  });

  it('is never written empty', () => {
    assert.throws(
      () => formatServerVdisks({ vdisks: [] }),
      /vdisks is an empty list, expected a non-empty list/,
    );
  });
});
