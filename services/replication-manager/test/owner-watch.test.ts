import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownerKey, type Watch } from '@salvor/config-store';
import { OwnerWatch } from '../src/owner-watch.ts';

/** Tells of changes when it is told to. */
class Store {
  readonly open = new Map<string, () => void>();

  watch(
    selection: { readonly prefixes?: readonly string[] },
    onChange: (batch: never) => void,
  ): Promise<Watch> {
    const key = selection.prefixes?.join(',') ?? '';
    this.open.set(key, () => onChange({ changes: [] } as never));
    return Promise.resolve({ close: () => this.open.delete(key) } as unknown as Watch);
  }
}

const LONG_MS = 3_600_000;

test('a server that takes the vdisk ends the pause; so does the end of everything', async () => {
  const store = new Store();
  const owner = new OwnerWatch(store as never);
  const ending = new AbortController();
  await owner.watch('v1');
  assert.equal(owner.isMounting, false);
  const paused = owner.pause(LONG_MS, ending.signal);
  store.open.get(ownerKey('v1'))?.();
  await paused;
  assert.equal(owner.isMounting, true);
  const again = owner.pause(LONG_MS, ending.signal);
  ending.abort();
  await again;
  await owner.pause(LONG_MS, ending.signal);
});

test('one vdisk is watched at a time, and none once it is closed', async () => {
  const store = new Store();
  const owner = new OwnerWatch(store as never);
  await owner.watch('v1');
  await owner.watch('v1');
  await owner.watch('v2');
  assert.deepEqual([...store.open.keys()], [ownerKey('v2')]);
  await owner.watch(null);
  assert.deepEqual([...store.open.keys()], []);
  await owner.watch('v2');
  owner.close();
  assert.deepEqual([...store.open.keys()], []);
});
