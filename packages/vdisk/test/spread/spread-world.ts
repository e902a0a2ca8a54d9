import assert from 'node:assert/strict';
import { EngineLink, type RedisHandle, until } from '@salvor/testkit';
import type { MountedVdisk } from '../../src/index.ts';
import { placeBlock } from '../../src/sharding.ts';
import { blocksOn, type DataPlane } from '../data-plane.ts';

/** Large blocks: the spread goes through all of a vdisk, and a vdisk has a GiB at least. */
export const BLOCK_BYTES = 65_536;
export const SHARDS = 3;
/** Blocks that tests write: some at the beginning, some far behind. */
export const WRITTEN: readonly number[] = [
  ...Array.from({ length: 120 }, (_, i) => i),
  ...Array.from({ length: 60 }, (_, i) => 9_000 + i),
  16_383,
];

export function blockOf(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

export async function writeBlocks(
  { device }: MountedVdisk,
  fill: number,
  blocks: readonly number[] = WRITTEN,
): Promise<void> {
  await Promise.all(blocks.map((block) => device.write(block * BLOCK_BYTES, blockOf(fill))));
}

export async function assertBlocks(
  { device }: MountedVdisk,
  fill: number,
  blocks: readonly number[] = WRITTEN,
): Promise<void> {
  for (const block of blocks) {
    const found = await device.read(block * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(found.equals(blockOf(fill)), `block ${block} begins with ${found[0]}, expected ${fill}`);
  }
}

/** How far the blocks of the pair have moved, as its survivor has recorded it. */
export async function movedOn(survivor: RedisHandle, vdisk: string): Promise<number> {
  using link = await EngineLink.open(survivor.port);
  return Number(String((await link.sendRaw('HGET', `salvor:writes:${vdisk}`, 'moved')) ?? 0));
}

export async function untilMoved(survivor: RedisHandle, vdisk: string, bits: number): Promise<void> {
  await until(async () => (await movedOn(survivor, vdisk)) >= bits, {
    what: `${bits} bits to have moved`,
    timeoutMs: 20_000,
  });
}

/** Every block of a nondeduped vdisk is where 0-Disk's servers look for it once `rip` is gone, on both members, and alike. */
export async function assertPlacement(
  plane: DataPlane,
  vdisk: string,
  rip: number,
): Promise<Map<number, Buffer>> {
  const all = new Map<number, Buffer>();
  for (let shard = 0; shard < SHARDS; shard++) {
    if (shard === rip) continue;
    const [primary = assert.fail(), slave = assert.fail()] = [plane.primaries[shard], plane.slaves[shard]];
    const blocks = await blocksOn(primary, vdisk);
    assert.deepEqual(await blocksOn(slave, vdisk), blocks, `both members of pair ${shard} hold the same`);
    for (const [block, content] of blocks) {
      assert.equal(
        placeBlock(block, SHARDS, (other) => other !== rip),
        shard,
        `block ${block} is on shard ${shard}`,
      );
      all.set(block, content);
    }
  }
  return all;
}
