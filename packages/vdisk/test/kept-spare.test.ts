import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@salvor/testkit';
import { blocksOn, DataPlane } from './data-plane.ts';

const block = Buffer.alloc(4096, 0x5a);

test('a spare under rebuild that alone has the newest writes of a vdisk is waited for when it fails, and brings them back', async () => {
  await using plane = await DataPlane.start({ shards: 1, spares: 2 });
  const [lost, survivor] = [plane.primaries[0], plane.slaves[0]];
  const [spare, other] = plane.spares;
  assert.ok(lost && survivor && spare && other);
  await plane.addVdisk('done');
  await plane.addVdisk('waiting');
  const { vdisk, repairs } = await plane.mount('done');
  await vdisk.device.write(0, block);
  const first = await plane.mount('waiting');
  await first.vdisk.device.write(0, block);
  // Nobody rebuilds this one for now: the incident stays open.
  await first.vdisk.unmount();
  await lost.process.kill();
  await plane.reportFailure(lost.address);
  await plane.judge(lost.address, 'permanent');
  await until(() => repairs.length === 1, { what: 'the first vdisk is on the spare', timeoutMs: 20_000 });
  await survivor.process.kill();
  await plane.reportFailure(survivor.address);
  await vdisk.device.write(4096, block);
  await spare.process.kill();
  assert.equal((await plane.reportFailure(spare.address)).outcome, 'applied');
  await assert.rejects(vdisk.device.read(0, 4096), /no member/);

  // The survivor has what it served last, and not what the spare took alone.
  await survivor.process.start();
  const survivorBack = await plane.judge(survivor.address, 'temporary');
  const second = await plane.mount('waiting');
  await until(() => second.repairs.length === 1, { what: 'it vouches for the other', timeoutMs: 20_000 });
  assert.deepEqual(await second.vdisk.device.read(0, 4096), block);
  await assert.rejects(vdisk.device.read(0, 4096), /no member/);
  await spare.process.start();
  const spareBack = await plane.judge(spare.address, 'temporary');
  await until(() => repairs.length === 3, { what: 'the spare has brought it back', timeoutMs: 20_000 });
  assert.deepEqual(await vdisk.device.read(0, 8192), Buffer.concat([block, block]));
  await Promise.all([survivorBack, spareBack].map((back) => plane.complete(back, ['done', 'waiting'])));
  assert.equal(await plane.statusOf(survivor.address), 'online');
  assert.equal(await plane.statusOf(spare.address), 'online');
  assert.deepEqual(await blocksOn(survivor, 'done'), await blocksOn(spare, 'done'));
  assert.deepEqual(await blocksOn(survivor, 'waiting'), await blocksOn(spare, 'waiting'));
  assert.deepEqual(repairs.map(({ address, dirtyBlocks }) => ({ address, dirtyBlocks })).slice(1), [
    { address: spare.address, dirtyBlocks: 0 },
    { address: survivor.address, dirtyBlocks: 1 },
  ]);
});

test('an owner that begins anew while that spare is away serves neither what it lacks nor nothing at all', async () => {
  await using plane = await DataPlane.start({ shards: 1, spares: 1 });
  const [lost, survivor, spare] = [plane.primaries[0], plane.slaves[0], plane.spares[0]];
  assert.ok(lost && survivor && spare);
  await plane.addVdisk('done');
  await plane.addVdisk('waiting');
  const { vdisk, repairs } = await plane.mount('done');
  await vdisk.device.write(0, block);
  await lost.process.kill();
  await plane.reportFailure(lost.address);
  await plane.judge(lost.address, 'permanent');
  await until(() => repairs.length === 1, { what: 'the vdisk is on the spare', timeoutMs: 20_000 });
  await survivor.process.kill();
  await plane.reportFailure(survivor.address);
  await vdisk.device.write(4096, block);
  await spare.process.kill();
  await plane.reportFailure(spare.address);
  await vdisk.unmount();
  await survivor.process.start();
  await plane.judge(survivor.address, 'temporary');

  const next = await plane.mount('done', 'nbd-2');
  await assert.rejects(next.vdisk.device.read(4096, 4096), /no member/);
  await spare.process.start();
  await plane.judge(spare.address, 'temporary');
  await until(() => next.repairs.length === 2, { what: 'both members are whole again', timeoutMs: 20_000 });
  assert.deepEqual(await next.vdisk.device.read(0, 8192), Buffer.concat([block, block]));
});
