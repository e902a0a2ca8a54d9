import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ownerKey, takeoverKey } from '@salvor/config-store';
import { codeOf } from '@salvor/service-kit';
import { takeOver } from '../src/index.ts';
import { DataPlane } from './data-plane.ts';

const who = { server: 'nbd-2', instance: 'run-of-nbd-2' };
const settings = { leaseTtlSeconds: 10, connectTimeoutMs: 5_000, releaseWaitMs: 100 };
let plane: DataPlane;

before(async () => {
  plane = await DataPlane.start({ shards: 1, hasSlave: false });
});

after(async () => {
  await plane?.[Symbol.asyncDispose]();
});

describe('a server that takes a vdisk by force', () => {
  it('gets it although a client of its own had asked for it while the owner was still there', async () => {
    await plane.addVdisk('v1');
    await plane.mount('v1', 'nbd-1');
    // What a client began to mount before the takeover: refused, and joined by whoever mounts in the meantime.
    const before = plane.mount('v1', 'nbd-2');
    await before.catch(() => {});
    const mounts = [before, null];
    const taken = await takeOver(
      plane.store,
      who,
      { vdisk: 'v1', operation: 'op-1', force: true },
      settings,
      () => mounts.shift() ?? plane.mount('v1', 'nbd-2'),
    );
    assert.deepEqual([taken.outcome, taken.from], ['applied', 'nbd-1']);
    assert.match((await plane.store.get(ownerKey('v1')))?.value ?? '', /"nbd-2"/);
    assert.equal(await plane.store.get(takeoverKey('v1')), null);
  });

  it('ends where every mount finds another owner', async () => {
    await plane.addVdisk('v2');
    await plane.mount('v2', 'nbd-1');
    const refused = plane.mount('v2', 'nbd-2');
    await refused.catch(() => {});
    const request = { vdisk: 'v2', operation: 'op-2', force: true };
    const taking = takeOver(plane.store, who, request, settings, () => refused);
    await assert.rejects(taking, (error) => codeOf(error) === 'owned-elsewhere');
    assert.equal(await plane.store.get(takeoverKey('v2')), null, 'others may take it');
  });
});
