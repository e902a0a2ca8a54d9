import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  applyHealingControl,
  formatVdiskStatic,
  parseVdiskStatic,
  vdiskStaticKey,
} from '@salvor/config-store';
import { killEngine, restartWithData, until } from '@salvor/testkit';
import type { MountedVdisk } from '../../src/index.ts';
import { ALL_MOVED } from '../../src/spread/placement.ts';
import { blocksOn, DataPlane } from '../data-plane.ts';
import { OwnerProcess } from '../owner-process.ts';
import { CountingLoad } from './counting-load.ts';
import { HeldBandwidth } from './held-bandwidth.ts';
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

/** Steps after which a spread is in its middle, and the bits that have moved by then: a step brings a MiB. */
const SOME_STEPS = 2;
const SOME_BITS = 32;

async function startWorld(type: 'db' | 'volume' = 'db') {
  const plane = await DataPlane.start({ shards: SHARDS });
  await plane.addVdisk('v1', { blockSize: BLOCK_BYTES, type });
  const [lost = assert.fail(), survivor = assert.fail()] = [plane.primaries[1], plane.slaves[1]];
  return { plane, lost, survivor };
}

/** To twice its size; resolves when its owner knows. */
async function grow(plane: DataPlane, vdisk: MountedVdisk): Promise<void> {
  const key = vdiskStaticKey('v1');
  const stored = parseVdiskStatic((await plane.store.get(key))?.value ?? assert.fail());
  await plane.store.transact({
    compare: [],
    puts: [{ key, value: formatVdiskStatic({ ...stored, size: 2 }) }],
  });
  await until(() => vdisk.device.geometry.sizeBytes === 2 ** 31, {
    what: 'the owner to know of the growth',
    timeoutMs: 5_000,
  });
}

for (const type of ['db', 'volume'] as const) {
  it(`a spread under load loses no acknowledged write and shows no stale one: ${type}`, async () => {
    const { plane, lost, survivor } = await startWorld(type);
    await using _plane = plane;
    const held = new HeldBandwidth(SOME_STEPS);
    const { vdisk } = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
    const load = new CountingLoad(vdisk.device, WRITTEN);
    load.start(8);
    await until(() => load.acknowledged > 300, { what: 'some writes', timeoutMs: 20_000 });
    await killEngine(lost);
    const begun = await plane.spread(lost.address);
    await untilMoved(survivor, 'v1', 1);
    const inMiddle = load.acknowledged;
    await until(() => load.acknowledged > inMiddle + 300, {
      what: 'writes in the middle',
      timeoutMs: 20_000,
    });
    held.open();
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
  // Writes to the first blocks all the time.
  const owner = new OwnerProcess(plane.etcd.endpoint, 'v1', 'nbd-2', SOME_STEPS);
  try {
    await owner.waitFor('written');
    await untilMoved(survivor, 'v1', SOME_BITS);
  } finally {
    await owner.end();
  }
  const moved = await movedOn(survivor, 'v1');
  assert.ok(moved > 0 && moved < ALL_MOVED, `it was killed in the middle, at ${moved}`);
  await until(async () => (await plane.ownerOf('v1')) === null, {
    what: 'the lease of the killed owner to expire',
    timeoutMs: 20_000,
  });
  const { vdisk, repairs } = await plane.mount('v1', 'nbd-3');
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
  const held = new HeldBandwidth(SOME_STEPS);
  const { vdisk, unavailable } = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
  await writeBlocks(vdisk, 0x11);
  const load = new CountingLoad(vdisk.device, [200, 201, 202, 203, 204, 205, 16_379, 16_380, 16_381]);
  load.start(3);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', SOME_BITS);
  await killEngine(survivor);
  held.open();
  await plane.reportFailure(survivor.address);
  await until(() => load.refused > 0 && unavailable.length > 0, { what: 'refusals', timeoutMs: 20_000 });
  const movedOnes = WRITTEN.filter((block) => block < SOME_BITS * SHARDS);
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
  const held = new HeldBandwidth(SOME_STEPS);
  const first = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
  await writeBlocks(first.vdisk, 0x11);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', SOME_BITS);
  await writeBlocks(first.vdisk, 0x22, WRITTEN.slice(0, 30));
  await first.vdisk.unmount();
  held.open();
  await killEngine(survivor);
  await plane.reportFailure(survivor.address);
  const next = await plane.mount('v1', 'nbd-2');
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
  const held = new HeldBandwidth(SOME_STEPS);
  const { vdisk } = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
  const load = new CountingLoad(vdisk.device, WRITTEN);
  load.start(4);
  await until(() => load.acknowledged > 200, { what: 'some writes', timeoutMs: 20_000 });
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', 1);
  const other = plane.slaves[2] ?? assert.fail();
  await killEngine(other);
  await plane.waitForStatus(other.address, 'offline');
  held.open();
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

it('a vdisk that grows in the middle of a spread has its new blocks where they are looked for', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const held = new HeldBandwidth(SOME_STEPS);
  const { vdisk } = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
  await writeBlocks(vdisk, 0x11);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', SOME_BITS);
  await grow(plane, vdisk);
  const grown = [16_384, 16_385, 16_386, 30_000, 30_001, 30_002];
  await writeBlocks(vdisk, 0x22, grown.slice(0, 3));
  held.open();
  await plane.complete(begun, ['v1']);
  await writeBlocks(vdisk, 0x22, grown.slice(3));
  await assertBlocks(vdisk, 0x11);
  await assertBlocks(vdisk, 0x22, grown);
  await assertPlacement(plane, 'v1', 1);
});

it('a spread rests while an operator pauses healing, and goes on afterwards', async () => {
  const { plane, lost, survivor } = await startWorld();
  await using _plane = plane;
  const held = new HeldBandwidth(SOME_STEPS);
  const { vdisk } = await plane.mount('v1', 'nbd-1', { repairBandwidth: held });
  await writeBlocks(vdisk, 0x11);
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  await untilMoved(survivor, 'v1', SOME_BITS);
  const by = { by: 'test', reason: 'to look', operation: 'op-pause' };
  await applyHealingControl(plane.store, undefined, { kind: 'pause', ...by });
  // Whoever has heard of this has heard of the pause before it.
  await grow(plane, vdisk);
  held.open();
  // The step that was held goes through; what rests is the one behind it.
  await until(async () => (await movedOn(survivor, 'v1')) > SOME_BITS, {
    what: 'one more step',
    timeoutMs: 10_000,
  });
  await writeBlocks(vdisk, 0x22, WRITTEN.slice(0, 60));
  assert.ok((await movedOn(survivor, 'v1')) < ALL_MOVED);
  await applyHealingControl(plane.store, undefined, { kind: 'resume', ...by, operation: 'op-resume' });
  await plane.complete(begun, ['v1']);
  await assertBlocks(vdisk, 0x22, WRITTEN.slice(0, 60));
  await assertPlacement(plane, 'v1', 1);
});

it('pairs that are lost one after the other: the second takes along what the first one left with it', async () => {
  const { plane, lost } = await startWorld();
  await using _plane = plane;
  const { vdisk } = await plane.mount('v1', 'nbd-1');
  const load = new CountingLoad(vdisk.device, WRITTEN);
  load.start(4);
  await killEngine(lost);
  await plane.complete(await plane.spread(lost.address), ['v1']);
  const second = plane.slaves[2] ?? assert.fail();
  await killEngine(second);
  await plane.complete(await plane.spread(second.address), ['v1']);
  await load.stop();
  assert.equal(load.refused, 0);
  await load.verify();
  const [only = assert.fail(), copy = assert.fail()] = [plane.primaries[0], plane.slaves[0]];
  assert.deepEqual(await blocksOn(only, 'v1'), await blocksOn(copy, 'v1'));
  await vdisk.unmount();
  load.device = (await plane.mount('v1', 'nbd-2')).vdisk.device;
  await load.verify();
});
