import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lifecycleHindrance, type lifecycleStates } from '../src/lifecycle/vdisk-lifecycle.ts';

const at = 1;
const operations = ['op-1'];
const hindered = (state: (typeof lifecycleStates)[number], readOnly = false) =>
  (['clients', 'repair', 'restore', { operation: 'op-1' }, { operation: 'op-2' }] as const).map(
    (purpose) =>
      lifecycleHindrance('v1', { lifecycle: { state, operations, at }, readOnly }, purpose)?.code ?? null,
  );

describe('what keeps a vdisk from being mounted', () => {
  it('nothing, for most of them', () => {
    assert.equal(lifecycleHindrance('v1', { lifecycle: null, readOnly: false }, 'clients'), null);
  });

  it('a clone that is not complete is open to repairs and to its own operation alone', () => {
    assert.deepEqual(hindered('cloning'), ['being-cloned', null, 'being-cloned', null, 'being-cloned']);
  });

  it('what is being exported or imported is open to repairs and to its own operation alone', () => {
    for (const state of ['exporting', 'importing'] as const) {
      const code = state === 'exporting' ? 'being-exported' : 'being-imported';
      assert.deepEqual(hindered(state), [code, null, code, null, code]);
    }
  });

  it('the source of a clone is open to repairs, and to clients that cannot write', () => {
    assert.deepEqual(hindered('clone-source'), ['clone-source', null, 'clone-source', null, 'clone-source']);
    assert.deepEqual(hindered('clone-source', true), [null, null, null, null, null]);
  });

  it('what is being shrunk or removed is open to nobody else', () => {
    assert.deepEqual(hindered('resizing'), [
      ...['being-resized', 'being-resized', 'being-resized'],
      ...[null, 'being-resized'],
    ]);
    assert.deepEqual(hindered('deleting'), [
      ...['being-deleted', 'being-deleted', 'being-deleted'],
      ...[null, 'being-deleted'],
    ]);
  });

  it('what has lost blocks is open to the replay of its log, and to repairs once nothing depends on who was stale', () => {
    const restoring = ['being-restored', 'being-restored', null, null, 'being-restored'];
    assert.deepEqual(hindered('restoring'), restoring);
    for (const more of [{ stale: { '1': 7 } }, { lost: { blocks: 3, reason: 'it has no log' } }]) {
      const lifecycle = { state: 'restoring' as const, operations, at, ...more };
      assert.equal(lifecycleHindrance('v1', { lifecycle, readOnly: false }, 'repair'), null);
    }
  });
});
