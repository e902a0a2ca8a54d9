import assert from 'node:assert/strict';
import { it } from 'node:test';
import { killEngine, restartWithData, until } from '@salvor/testkit';
import type { RepairState } from '@salvor/vdisk';
import { Bandwidth } from '../src/copy/bandwidth.ts';
import { DataPlane, type Mounted } from './data-plane.ts';
import { SHARDS, writeBlocks } from './spread/spread-world.ts';

const BLOCK_BYTES = 65_536;
/** Of two shards: the blocks of one of them take a few seconds at this bandwidth, so that there is a middle of it. */
const BLOCKS = 128;
const SLOW = { repairBandwidth: new Bandwidth(1) };

/** What the owner says of its one repair at some time between its begin and its end. */
async function middleOf({ vdisk }: Mounted): Promise<RepairState> {
  const found = (): RepairState | undefined =>
    vdisk.repairsUnderWay().find(({ done, total }) => done > 0 && done < total);
  return until(found, { what: 'the middle of a repair', timeoutMs: 30_000, intervalMs: 2 });
}

it('an owner says how far the repair of an engine is, and nothing when it is done', async () => {
  const plane = await DataPlane.start();
  await using _plane = plane;
  await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
  const mounted = await plane.mount('v1', 'nbd-1', SLOW);
  const [engine = assert.fail()] = plane.primaries;
  const write = async (fill: number): Promise<void> => {
    for (let block = 0; block < BLOCKS; block++)
      await mounted.vdisk.device.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill));
  };
  await write(0x11);
  await killEngine(engine);
  await write(0x22);
  assert.deepEqual(mounted.vdisk.repairsUnderWay(), []);
  await restartWithData(engine);
  const judged = await plane.judge(engine.address, 'temporary');
  const { incident, attempt, address, total } = await middleOf(mounted);
  assert.deepEqual([incident, attempt, address], [judged.incident?.id, 1, engine.address]);
  assert.equal(total, BLOCKS / plane.primaries.length);
  await plane.complete(judged, ['v1']);
  assert.deepEqual(mounted.vdisk.repairsUnderWay(), []);
});

it('an owner says how far a spread is', async () => {
  const plane = await DataPlane.start({ shards: SHARDS });
  await using _plane = plane;
  await plane.addVdisk('v1');
  const mounted = await plane.mount('v1', 'nbd-1', SLOW);
  await writeBlocks(mounted.vdisk, 0x11);
  const [, lost = assert.fail()] = plane.primaries;
  await killEngine(lost);
  const begun = await plane.spread(lost.address);
  const { incident, address } = await middleOf(mounted);
  assert.deepEqual([incident, address], [begun.incident?.id, lost.address]);
  await plane.complete(begun, ['v1']);
  assert.deepEqual(mounted.vdisk.repairsUnderWay(), []);
});
