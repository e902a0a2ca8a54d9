import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatVdiskStatic, parseVdiskStatic, vdiskLifecycleKey, vdiskStaticKey } from '@salvor/config-store';
import { killEngine, restartWithData, until } from '@salvor/testkit';
import { VdiskRefusedError } from '../src/index.ts';
import { blocksOn, DataPlane, type Mounted } from './data-plane.ts';

const GIB = 1024 ** 3;
const BLOCK_BYTES = 65_536;

async function setSize(plane: DataPlane, size: number): Promise<void> {
  const key = vdiskStaticKey('v1');
  const { value } = (await plane.store.get(key)) ?? assert.fail();
  const puts = [{ key, value: formatVdiskStatic({ ...parseVdiskStatic(value), size }) }];
  await plane.store.transact({ compare: [], puts });
}

async function growTo({ vdisk }: Mounted, plane: DataPlane, size: number): Promise<void> {
  await setSize(plane, size);
  await until(() => vdisk.geometry.sizeBytes === size * GIB, { what: 'the vdisk to grow', timeoutMs: 5_000 });
}

/** Blocks on both sides of what was the end, on every shard. */
async function writeAround({ vdisk }: Mounted, endBytes: number, fill: number): Promise<void> {
  for (let block = -4; block < 4; block++) {
    await vdisk.device.write(endBytes + block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill));
  }
}

async function assertAround({ vdisk }: Mounted, endBytes: number, fill: number): Promise<void> {
  const found = await vdisk.device.read(endBytes - 4 * BLOCK_BYTES, 8 * BLOCK_BYTES);
  assert.ok(found.equals(Buffer.alloc(8 * BLOCK_BYTES, fill)), `expected ${fill}, found ${found[0]}`);
}

describe('a mounted vdisk that grows', () => {
  it('takes writes beyond its old end without being mounted again, and reads zeros there before', async () => {
    await using plane = await DataPlane.start();
    await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
    const mounted = await plane.mount('v1');
    const { device, epoch } = mounted.vdisk;
    await assert.rejects(device.write(GIB, Buffer.alloc(512)), /leaves the device/);
    await growTo(mounted, plane, 3);
    assert.deepEqual(await device.read(GIB, 4096), Buffer.alloc(4096));
    await writeAround(mounted, GIB, 0x21);
    await writeAround(mounted, 3 * GIB - 4 * BLOCK_BYTES, 0x22);
    await assertAround(mounted, GIB, 0x21);
    await assert.rejects(device.write(3 * GIB, Buffer.alloc(512)), /leaves the device/);
    assert.equal(mounted.vdisk.epoch, epoch);
    assert.deepEqual([mounted.lost, mounted.complaints], [[], []]);
  });

  it('does not shrink under its clients, and keeps its size when the new one is nonsense', async () => {
    await using plane = await DataPlane.start();
    await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
    const mounted = await plane.mount('v1');
    await growTo(mounted, plane, 3);
    await setSize(plane, 2);
    await plane.store.transact({
      compare: [],
      puts: [{ key: vdiskStaticKey('v1'), value: 'size: many' }],
    });
    await until(() => mounted.complaints.length > 0, { what: 'a complaint', timeoutMs: 5_000 });
    assert.equal(mounted.vdisk.geometry.sizeBytes, 3 * GIB);
    await writeAround(mounted, 2 * GIB, 0x23);
    await assertAround(mounted, 2 * GIB, 0x23);
  });

  it('has its new range repaired like the old one, after a short outage and after the loss of an engine', async () => {
    await using plane = await DataPlane.start({ spares: 1 });
    await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
    const mounted = await plane.mount('v1');
    await writeAround(mounted, GIB - 4 * BLOCK_BYTES, 0x31);
    const [engine, , partner, spare] = [...plane.primaries, ...plane.slaves.slice(0, 1), ...plane.spares];
    if (engine === undefined || partner === undefined || spare === undefined) return assert.fail();

    await killEngine(engine);
    await mounted.vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES, 0x32));
    // It grows while an engine is away: the map of what that one misses must grow with it.
    await growTo(mounted, plane, 2);
    await writeAround(mounted, GIB, 0x33);
    await restartWithData(engine);
    const back = await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    assert.equal(back.outcome, 'applied', back.reason);
    assert.deepEqual(await blocksOn(engine, 'v1'), await blocksOn(partner, 'v1'));

    await killEngine(engine);
    await writeAround(mounted, 2 * GIB - 4 * BLOCK_BYTES, 0x34);
    const replaced = await plane.complete(await plane.judge(engine.address, 'permanent'), ['v1']);
    assert.equal(replaced.outcome, 'applied', replaced.reason);
    const [onSpare, onPartner] = [await blocksOn(spare, 'v1'), await blocksOn(partner, 'v1')];
    assert.ok(
      [...onSpare.keys()].some((block) => block * BLOCK_BYTES >= GIB),
      'blocks of the new range',
    );
    assert.deepEqual(onSpare, onPartner);
    await assertAround(mounted, GIB, 0x33);
  });
});

describe('a vdisk that may not be served now', () => {
  it('is refused with the reason, and open to the operation that keeps it closed', async () => {
    await using plane = await DataPlane.start();
    await plane.addVdisk('v1');
    const value = JSON.stringify({ state: 'cloning', operations: ['op-1'], at: Date.now() });
    await plane.store.transact({ compare: [], puts: [{ key: vdiskLifecycleKey('v1'), value }] });
    await assert.rejects(plane.mount('v1'), (error: unknown) => {
      assert.ok(error instanceof VdiskRefusedError);
      assert.deepEqual([error.code, /op-1/.test(error.message)], ['being-cloned', true]);
      return true;
    });
    assert.equal(await plane.ownerOf('v1'), null);
    const { vdisk } = await plane.mount('v1', 'clone-op-1', {}, { operation: 'op-1' });
    await vdisk.device.write(0, Buffer.alloc(4096, 1));
  });
});
