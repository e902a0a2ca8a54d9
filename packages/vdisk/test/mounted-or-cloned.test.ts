import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  cloneVdisk,
  formatRecord,
  resizeVdisk,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { DataPlane, primary } from './data-plane.ts';

const ROUNDS = 12;

/** Nobody carries the clone out here: once begun, it keeps its source. */
it('a vdisk that is mounted while its clone begins is one or the other, never both', async () => {
  await using plane = await DataPlane.start({ hasSlave: false });
  const won = { mount: 0, clone: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const source = `v${round}`;
    await plane.addVdisk(source);
    const request = { source, vdisk: `${source}-clone`, cluster: primary };
    const options = { operation: `op-${round}`, by: 'test' };
    const mounting = plane.mount(source);
    // Later from round to round, so that each of the two comes first now and then.
    for (let turn = 0; turn < round * 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    const [mounted, cloned] = await Promise.allSettled([mounting, cloneVdisk(plane.store, request, options)]);
    const isCloned = cloned.status === 'fulfilled' && cloned.value.outcome === 'applied';
    assert.ok(!(mounted.status === 'fulfilled' && isCloned), `round ${round}: both`);
    if (mounted.status === 'fulfilled') won.mount++;
    if (isCloned) won.clone++;
  }
  assert.ok(won.mount + won.clone > 0, JSON.stringify(won));
});

it('a vdisk that is mounted while it shrinks keeps its size, or is refused meanwhile', async () => {
  await using plane = await DataPlane.start({ hasSlave: false });
  await plane.addVdisk('v1');
  const grown = { operation: 'op-grow', by: 'test', lookBeyond: async () => null };
  await resizeVdisk(plane.store, { vdisk: 'v1', sizeGiB: 3, force: false }, grown);
  const lookBeyond = async (): Promise<null> => {
    await assert.rejects(plane.mount('v1'), { code: 'being-resized' });
    return null;
  };
  const options = { operation: 'op-shrink', by: 'test', lookBeyond };
  const shrunk = await resizeVdisk(plane.store, { vdisk: 'v1', sizeGiB: 2, force: true }, options);
  assert.equal(shrunk.outcome, 'applied', shrunk.reason);
  const { vdisk } = await plane.mount('v1');
  assert.equal(vdisk.geometry.sizeBytes, 2 * 1024 ** 3);
});

it('a secondary grows with its primary, never shrinks, and stays closed to clients', async () => {
  await using plane = await DataPlane.start({ hasSlave: false });
  await plane.addVdisk('v1');
  const key = vdiskLifecycleKey('v1');
  const closed = { state: 'secondary' as const, operations: ['volume-vol1'], at: 1 };
  const value = formatRecord(vdiskLifecycleSchema, key, closed);
  await plane.store.transact({ compare: [], puts: [{ key, value }] });
  const resize = (operation: string, sizeGiB: number): ReturnType<typeof resizeVdisk> => {
    const options = { operation, by: 'test', lookBeyond: async () => null };
    return resizeVdisk(plane.store, { vdisk: 'v1', sizeGiB, force: true }, options);
  };
  const { vdisk } = await plane.mount('v1', 'volume-vol1', {}, { operation: 'volume-vol1' });
  assert.equal((await resize('op-grow', 3)).outcome, 'applied');
  await until(() => vdisk.geometry.sizeBytes === 3 * 1024 ** 3, { what: 'the size', timeoutMs: 10_000 });
  assert.equal((await resize('op-shrink', 1)).code, 'vdisk-busy');
  await vdisk.unmount();
  await assert.rejects(plane.mount('v1'), { code: 'secondary' });
});
