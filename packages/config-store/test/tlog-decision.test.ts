import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideTlogDisable, decideTlogEnable, type TlogAdmissionState } from '../src/tlog/tlog-decision.ts';

const fixed = { blockSize: 4096, size: 1, type: 'db', readOnly: false, templateVdiskID: '' } as const;
const none: TlogAdmissionState = { static: fixed, lifecycle: null, config: null, mark: null };
const logged: TlogAdmissionState = {
  ...none,
  config: {
    ...{ container: 1, containers: 4, policy: 'block', begins: { number: 0, sequence: 0 } },
    ...{ enabledBy: 'op-1', at: 1 },
  },
};
const block = { vdisk: 'v1', policy: 'block' } as const;
const busy = { state: 'cloning' as const, operations: ['op-9'], at: 1 };

describe('a vdisk', () => {
  it('gets a log, or keeps the one it has, or that one gets another policy', () => {
    assert.equal(decideTlogEnable(none, block, 'c').outcome, 'applied');
    assert.deepEqual(decideTlogEnable(logged, block, 'c').code, 'log-there');
    const other = decideTlogEnable(logged, { ...block, policy: 'overflow' }, 'c');
    assert.equal(other.outcome, 'applied');
    assert.match(other.reason, /overflow from now on, block until now/);
  });

  it('gets none of a type whose blocks are shared, or while another operation has it, or when it is not there', () => {
    const boot = decideTlogEnable({ ...none, static: { ...fixed, type: 'boot' } }, block, 'c');
    assert.deepEqual([boot.outcome, boot.code], ['refused', 'log-refused']);
    assert.match(boot.reason, /type boot/);
    assert.equal(decideTlogEnable({ ...none, static: null }, block, 'c').code, 'unknown-vdisk');
    assert.equal(decideTlogEnable({ ...none, lifecycle: busy }, block, 'c').code, 'vdisk-busy');
  });

  it('loses its log, once', () => {
    assert.equal(decideTlogDisable(logged, 'v1', 'c').outcome, 'applied');
    assert.deepEqual(decideTlogDisable(none, 'v1', 'c').code, 'no-log');
    assert.equal(decideTlogDisable({ ...none, static: null }, 'v1', 'c').code, 'unknown-vdisk');
    assert.equal(decideTlogDisable({ ...logged, lifecycle: busy }, 'v1', 'c').code, 'vdisk-busy');
  });
});
