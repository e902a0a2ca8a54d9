import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOn, DataPlane } from './data-plane.ts';

const SIZE = 4096;

function content(block: number): Buffer {
  const data = Buffer.alloc(SIZE, block % 255 || 1);
  data.writeUInt32LE(block, 8);
  return data;
}

test('whole blocks written in bulk are on both members, read back in the order asked for, and listed as stored', async () => {
  await using plane = await DataPlane.start();
  await plane.addVdisk('v1');
  const { vdisk } = await plane.mount('v1', 'restore-1');
  const bulk = vdisk.wholeBlocks();
  assert.equal(bulk.blocks, 2 ** 30 / SIZE);
  assert.equal(bulk.stepBlocks, 512);
  const blocks = Array.from({ length: 1_000 }, (_, i) => (i * 37) % 5_000).concat(bulk.blocks - 1);
  await bulk.write(blocks.map((block) => ({ block, data: content(block) })));
  const gone = blocks.filter((block) => block % 5 === 0);
  await bulk.write(gone.map((block, i) => ({ block, data: i % 2 === 0 ? null : Buffer.alloc(SIZE) })));
  const asked = [...blocks].reverse().concat([4_999, 2]);
  const found = await bulk.read(asked);
  const expected = (block: number): Buffer | null =>
    blocks.includes(block) && block % 5 !== 0 ? content(block) : null;
  for (const [i, block] of asked.entries())
    assert.deepEqual(found[i] ?? null, expected(block), `block ${block}`);
  const stored: number[] = [];
  for (let at = 0; at < bulk.blocks; ) {
    const { runs, next } = await bulk.stored(at, bulk.blocks);
    for (const { first, count } of runs) for (let i = 0; i < count; i++) stored.push(first + i);
    assert.ok(next > at);
    at = next;
  }
  assert.deepEqual(
    stored,
    blocks.filter((block) => block % 5 !== 0).sort((a, b) => a - b),
  );
  assert.deepEqual(
    await bulk.areStored(asked),
    asked.map((block) => expected(block) !== null),
  );
  for (const [shard, engine] of plane.primaries.entries()) {
    const [one, other] = [await blocksOn(engine, 'v1'), await blocksOn(plane.slaves[shard] ?? engine, 'v1')];
    assert.deepEqual(one, other);
    for (const [block, data] of one) assert.deepEqual(data, content(block));
  }
  await assert.rejects(bulk.write([{ block: bulk.blocks, data: null }]), RangeError);
});
