import assert from 'node:assert/strict';
import { it } from 'node:test';
import { killEngine, restartWithData, until } from '@salvor/testkit';
import { Bandwidth } from '../../src/copy/bandwidth.ts';
import { ALL_MOVED } from '../../src/spread/placement.ts';
import { DataPlane } from '../data-plane.ts';
import { OwnerProcess } from '../owner-process.ts';
import { CountingLoad } from './counting-load.ts';
import {
  assertBlocks,
  assertPlacement,
  BLOCK_BYTES,
  movedOn,
  SHARDS,
  untilMoved,
  WRITTEN,
  writeBlocks,
} from './spread-world.ts';

/** Bits of a shard: the spread of them takes a second or more at this bandwidth, so that there is a middle of it. */
const MIDDLE = 500;
const SLOW = { repairBandwidth: new Bandwidth(128) };

async function startWorld(type: 'db' | 'volume' = 'db') {
  const plane = await DataPlane.start({ shards: SHARDS });
  await plane.addVdisk('v1', { blockSize: BLOCK_BYTES, type });
  const [lost = assert.fail(), survivor = assert.fail()] = [plane.primaries[1], plane.slaves[1]];
  return { plane, lost, survivor };
}

for (const type of ['db', 'volume'] as const) {
  it(`a spread under load loses no acknowledged write and shows no stale one: ${type}`, async () => {
    const { plane, lost, survivor } = await startWorld(type);
    await using _plane = plane;
    const { vdisk } = await plane.mount('v1', 'nbd-1', SLOW);
    const load = new CountingLoad(vdisk.device, WRITTEN);
    load.start(8);
    await until(() => load.acknowledged > 300, { what: 'some writes', timeoutMs: 20_000 });
    await killEngine(lost);
    const begun = await plane.spread(lost.address);
    await plane.complete(begun, ['v1']);
    const atEnd = load.acknowledged;
    await until(() => load.acknowledged > atEnd + 300, { what: 'more writes', timeoutMs: 20_000 });
    await load.stop();
    assert.equal(load.refused, 0);
    await load.verify();
    if (type === 'db') await assertPlacement(plane, 'v1', 1);
    assert.equal(await movedOn(survivor, 'v1'), ALL_MOVED);
    await vdisk.unmount();
    load.device = (await plane.mount('v1', 'nbd-2')).vdisk.device;
    await load.verify();
  });
}

it('an owner that is killed in the middle of a spread is followed by one that goes on where it was', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const first = await plane.mount('v1', 'nbd-1');
  const late = WRITTEN.slice(8);
  await writeBlocks(first.vdisk, 0x11, late);
  await first.vdisk.unmount();
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  // Writes to the first blocks all the time, and is polite about the spread therefore.
  const owner = new OwnerProcess(plane.etcd.endpoint, 'v1', 'nbd-2');
  try {
    await owner.waitFor('written');
    await untilMoved(survivor, 'v1', 100);
  } finally {
    await owner.end();
  }
  const moved = await movedOn(survivor, 'v1');
  assert.ok(moved > 0 && moved < ALL_MOVED, `it was killed in the middle, at ${moved}`);
  await until(async () => (await plane.ownerOf('v1')) === null, {
    what: 'the lease of the killed owner to expire',
    timeoutMs: 20_000,
  });
  const { vdisk, repairs } = await plane.mount('v1', 'nbd-3', SLOW);
  await assertBlocks(vdisk, 0x11, late);
  await writeBlocks(vdisk, 0x22, late.slice(0, 30));
  const done = await plane.complete(begun, ['v1']);
  assert.equal(done.outcome, 'applied', done.reason);
  await assertBlocks(vdisk, 0x22, late.slice(0, 30));
  await assertBlocks(vdisk, 0x11, late.slice(30));
  assert.ok((repairs[0]?.copiedBlocks ?? 0) <= Math.ceil(16_384 / SHARDS) - moved, 'nothing is moved twice');
  await assertPlacement(plane, 'v1', 1);
});

it('a survivor that dies in the middle of a spread takes what has not moved with it until it is back', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const { vdisk, unavailable } = await plane.mount('v1', 'nbd-1', SLOW);
  await writeBlocks(vdisk, 0x11);
  const load = new CountingLoad(vdisk.device, [200, 201, 202, 203, 204, 205, 16_379, 16_380, 16_381]);
  load.start(3);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', MIDDLE);
  await killEngine(survivor);
  await plane.reportFailure(survivor.address);
  await until(() => load.refused > 0 && unavailable.length > 0, { what: 'refusals', timeoutMs: 20_000 });
  const movedOnes = WRITTEN.filter((block) => block < 120);
  await assertBlocks(vdisk, 0x11, movedOnes);
  await writeBlocks(vdisk, 0x22, movedOnes.slice(0, 40));
  await assert.rejects(vdisk.device.read(16_381 * BLOCK_BYTES, 1), { code: 'data-unavailable' });

  await restartWithData(survivor);
  await plane.complete(await plane.judge(survivor.address, 'temporary'), ['v1']);
  await plane.waitForStatus(survivor.address, 'online');
  const done = await plane.complete(begun, ['v1']);
  assert.equal(done.outcome, 'applied', done.reason);
  await load.stop();
  await load.verify();
  await assertBlocks(vdisk, 0x22, movedOnes.slice(0, 40));
  await assertBlocks(vdisk, 0x11, WRITTEN.slice(40));
  await assertPlacement(plane, 'v1', 1);
});

it('an owner that mounts while the survivor is away serves what is elsewhere only when it knows that it is there', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const first = await plane.mount('v1', 'nbd-1', SLOW);
  await writeBlocks(first.vdisk, 0x11);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', MIDDLE);
  await writeBlocks(first.vdisk, 0x22, WRITTEN.slice(0, 30));
  await first.vdisk.unmount();
  await killEngine(survivor);
  await plane.reportFailure(survivor.address);
  const next = await plane.mount('v1', 'nbd-2', SLOW);
  await assertBlocks(next.vdisk, 0x22, [0, 2, 3, 5]);
  await assert.rejects(next.vdisk.device.read(BLOCK_BYTES, 1), { code: 'data-unavailable' });
  await assert.rejects(next.vdisk.device.write(BLOCK_BYTES, Buffer.alloc(1)), { code: 'data-unavailable' });

  await restartWithData(survivor);
  await plane.complete(await plane.judge(survivor.address, 'temporary'), ['v1']);
  const done = await plane.complete(begun, ['v1']);
  assert.equal(done.outcome, 'applied', done.reason);
  await assertBlocks(next.vdisk, 0x22, WRITTEN.slice(0, 30));
  await assertBlocks(next.vdisk, 0x11, WRITTEN.slice(30));
  await assertPlacement(plane, 'v1', 1);
});

it('an engine of another pair that fails during a spread gets what was brought there meanwhile', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const { vdisk } = await plane.mount('v1', 'nbd-1', SLOW);
  const load = new CountingLoad(vdisk.device, WRITTEN);
  load.start(4);
  await until(() => load.acknowledged > 200, { what: 'some writes', timeoutMs: 20_000 });
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', 100);
  const other = plane.slaves[2] ?? assert.fail();
  await killEngine(other);
  await plane.waitForStatus(other.address, 'offline');
  await untilMoved(survivor, 'v1', 1_000);
  await restartWithData(other);
  await plane.complete(await plane.judge(other.address, 'temporary'), ['v1']);
  const done = await plane.complete(begun, ['v1']);
  assert.equal(done.outcome, 'applied', done.reason);
  await plane.waitForStatus(other.address, 'online');
  await load.stop();
  assert.equal(load.refused, 0);
  await load.verify();
  await assertPlacement(plane, 'v1', 1);
});
