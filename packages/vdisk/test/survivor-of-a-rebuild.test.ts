import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@salvor/testkit';
import { DataPlane } from './data-plane.ts';

const block = Buffer.alloc(4096, 0x5a);

test('an engine that fails while its partner is rebuilt, and comes back, vouches for itself however often that rebuild began anew', async () => {
  await using plane = await DataPlane.start({ shards: 1, spares: 2 });
  const [lost, survivor] = [plane.primaries[0], plane.slaves[0]];
  const [first, second] = plane.spares;
  assert.ok(lost && survivor && first && second);
  await plane.addVdisk('v1');
  const { vdisk, repairs } = await plane.mount('v1');
  await vdisk.device.write(0, block);
  // No rebuild can begin: both spares are away.
  await Promise.all([first, second, lost].map(({ process }) => process.kill()));
  await plane.reportFailure(lost.address);
  await plane.judge(lost.address, 'permanent');
  await vdisk.device.write(4096, block);
  await survivor.process.kill();
  await plane.reportFailure(survivor.address);
  await until(async () => (await plane.reportFailure(first.address)).code !== 'unknown-address', {
    what: 'the outage of the first spare is recorded',
    timeoutMs: 15_000,
  });
  await plane.waitForStatus(lost.address, 'offline');
  await plane.judge(lost.address, 'permanent');
  await assert.rejects(vdisk.device.read(0, 4096), /no member/);

  await survivor.process.start();
  const returned = await plane.judge(survivor.address, 'temporary');
  await plane.complete(returned, ['v1']);
  assert.deepEqual(await vdisk.device.read(0, 8192), Buffer.concat([block, block]));
  assert.deepEqual(
    repairs.map(({ address, dirtyBlocks }) => ({ address, dirtyBlocks })),
    [{ address: survivor.address, dirtyBlocks: 0 }],
  );
});

test('an engine that was repaired, served alone and failed again vouches for itself: etcd knows when that was', async () => {
  await using plane = await DataPlane.start({ shards: 1 });
  const [older, survivor] = [plane.primaries[0], plane.slaves[0]];
  assert.ok(older && survivor);
  await plane.addVdisk('v1');
  const { vdisk, repairs } = await plane.mount('v1');
  await vdisk.device.write(0, block);
  await survivor.process.kill();
  await plane.reportFailure(survivor.address);
  await vdisk.device.write(4096, block);
  await survivor.process.start();
  await plane.judge(survivor.address, 'temporary');
  // On record for the vdisk, but the incident stays open: other vdisks may not be repaired yet.
  await until(() => repairs.length === 1, { what: 'the survivor is repaired', timeoutMs: 20_000 });
  await older.process.kill();
  await plane.reportFailure(older.address);
  await vdisk.device.write(8192, block);
  await survivor.process.kill();
  await plane.reportFailure(survivor.address);
  await assert.rejects(vdisk.device.read(0, 4096), /no member/);

  await older.process.start();
  await plane.judge(older.address, 'temporary');
  await assert.rejects(vdisk.device.read(0, 4096), /no member/);
  await survivor.process.start();
  const returned = await plane.judge(survivor.address, 'temporary');
  await plane.complete(returned, ['v1']);
  assert.deepEqual(await vdisk.device.read(0, 12_288), Buffer.concat([block, block, block]));
  await until(() => repairs.length === 3, { what: 'the other is repaired from it', timeoutMs: 20_000 });
  assert.deepEqual(
    repairs.map(({ address }) => address),
    [survivor.address, survivor.address, older.address],
  );
});
