import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EngineLink, SeededRandom, testSeed } from '@salvor/testkit';
import fc from 'fast-check';
import { contentHash } from '../../src/deduped/content-hash.ts';
import type { VdiskDevice } from '../../src/device.ts';
import { placeBlock } from '../../src/sharding.ts';
import { DataPlane, type Mounted } from '../data-plane.ts';
import { contentOn, sectorsOn, wipe } from './engine-contents.ts';

const SHARDS = 3;
const BLOCK_BYTES = 4096;
const SLOTS = 128;
const GIB = 1024 ** 3;
/** Two sectors and a bit, so that requests cross from one to the next. */
const WINDOW_BYTES = 20 * BLOCK_BYTES;

let plane: DataPlane;
let vdisks = 0;

before(async () => {
  plane = await DataPlane.start({ shards: SHARDS });
});

after(async () => {
  await plane?.[Symbol.asyncDispose]();
});

async function mountNew(): Promise<Mounted & { name: string }> {
  const name = `boot-${++vdisks}`;
  await plane.addVdisk(name, { type: 'boot' });
  return { name, ...(await plane.mount(name)) };
}

function block(fill: number, random = new SeededRandom(fill)): Buffer {
  const data = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(random.below(2 ** 31), at);
  return data;
}

interface Change {
  readonly kind: 'write' | 'zero';
  readonly from: number;
  readonly length: number;
  readonly fill: number;
}

const anyChange: fc.Arbitrary<Change> = fc
  .record({
    kind: fc.constantFrom('write', 'write', 'write', 'zero'),
    // Often whole blocks, and often content that was there before.
    from: fc.oneof(
      fc.integer({ min: 0, max: WINDOW_BYTES - 1 }),
      fc.integer({ min: 0, max: 19 }).map((n) => n * BLOCK_BYTES),
    ),
    length: fc.oneof(fc.constant(BLOCK_BYTES), fc.integer({ min: 1, max: 5 * BLOCK_BYTES })),
    fill: fc.integer({ min: 0, max: 5 }),
  })
  .map(({ kind, from, length, fill }) => ({
    kind: kind as Change['kind'],
    from,
    fill,
    length: Math.min(length, WINDOW_BYTES - from),
  }));

function apply(
  device: VdiskDevice,
  at: number,
  model: Buffer,
  { kind, from, length, fill }: Change,
): Promise<void> {
  model.fill(kind === 'zero' ? 0 : fill, from, from + length);
  return kind === 'zero'
    ? device.zero(at + from, length)
    : device.write(at + from, Buffer.alloc(length, fill));
}

describe('a boot vdisk', () => {
  it('behaves like an array of bytes, whatever is asked for at once', async () => {
    const { vdisk } = await mountNew();
    // The window lies across the border of two sectors.
    const at = (SLOTS - 10) * BLOCK_BYTES;
    const model = Buffer.alloc(WINDOW_BYTES);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(anyChange, { maxLength: 6 }), { maxLength: 6 }), async (rounds) => {
        for (const together of rounds) {
          await Promise.all(together.map((change) => apply(vdisk.device, at, model, change)));
          assert.ok((await vdisk.device.read(at, WINDOW_BYTES)).equals(model));
        }
      }),
      { numRuns: 40, seed: testSeed() },
    );
    await vdisk.unmount();
    const again = await plane.mount(`boot-${vdisks}`, 'nbd-2');
    assert.ok((await again.vdisk.device.read(at, WINDOW_BYTES)).equals(model), 'what the next owner reads');
  });

  it('stores the same content once for all vdisks of the cluster, on both members', async () => {
    const [one, two] = [await mountNew(), await mountNew()];
    const data = block(1001);
    const hash = contentHash(data);
    await one.vdisk.device.write(0, data);
    await one.vdisk.device.write(77 * BLOCK_BYTES, data);
    await two.vdisk.device.write(5000 * BLOCK_BYTES, data);
    const home = placeBlock(hash[0] ?? 0, SHARDS, () => true);
    for (const engines of [plane.primaries, plane.slaves]) {
      for (const [shard, engine] of engines.entries()) {
        const found = (await contentOn(engine)).get(hash.toString('hex'));
        if (shard === home) assert.ok(found?.equals(data));
        else assert.equal(found, undefined);
      }
    }
    for (const members of [plane.primaries, plane.slaves]) {
      const engine = members[39 % SHARDS] ?? assert.fail('no engine');
      const sector = (await sectorsOn(engine, two.name)).get(39);
      assert.ok(sector?.subarray(8 * 32, 9 * 32).equals(hash));
    }
  });

  it('frees the sector when its last block is zeroed, by a write of zeros too', async () => {
    const { vdisk, name } = await mountNew();
    await vdisk.device.write(0, block(1));
    await vdisk.device.write(BLOCK_BYTES, block(2));
    await vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES));
    const home = plane.primaries[0] ?? assert.fail('no engine');
    assert.deepEqual([...(await sectorsOn(home, name)).keys()], [0]);
    await vdisk.device.zero(BLOCK_BYTES, BLOCK_BYTES);
    assert.deepEqual([...(await sectorsOn(home, name)).keys()], []);
  });

  it('tells what is stored', async () => {
    const { vdisk } = await mountNew();
    const { device } = vdisk;
    await device.write(3 * BLOCK_BYTES, Buffer.concat([block(1), block(2)]));
    await device.write(300 * BLOCK_BYTES, block(3));
    assert.equal(await device.readStored(10 * BLOCK_BYTES, 50 * BLOCK_BYTES), null);
    const covered: { lengthBytes: number; allocated: boolean }[] = [];
    for (let at = 1024; at < GIB; ) {
      for (const extent of await device.extents(at, GIB - at)) {
        const last = covered.at(-1);
        if (last?.allocated === extent.allocated) last.lengthBytes += extent.lengthBytes;
        else covered.push({ ...extent });
        at += extent.lengthBytes;
      }
    }
    assert.deepEqual(covered, [
      { lengthBytes: 3 * BLOCK_BYTES - 1024, allocated: false },
      { lengthBytes: 2 * BLOCK_BYTES, allocated: true },
      { lengthBytes: 295 * BLOCK_BYTES, allocated: false },
      { lengthBytes: BLOCK_BYTES, allocated: true },
      { lengthBytes: GIB - 301 * BLOCK_BYTES, allocated: false },
    ]);
  });

  it('fails where content is gone or is not what its name says, instead of answering zeros', async () => {
    const { vdisk } = await mountNew();
    const [gone, bad] = [block(2001), block(2002)];
    await vdisk.device.write(0, gone);
    await vdisk.device.write(BLOCK_BYTES, bad);
    for (const engine of [...plane.primaries, ...plane.slaves]) {
      await wipe(engine, [contentHash(gone)]);
      using link = await EngineLink.open(engine.port);
      await link.send('SET', contentHash(bad), block(2003), 'XX');
    }
    await assert.rejects(vdisk.device.read(0, BLOCK_BYTES), { code: 'content-missing', nbdErrno: 5 });
    await assert.rejects(vdisk.device.read(BLOCK_BYTES, BLOCK_BYTES), {
      code: 'content-corrupt',
      nbdErrno: 5,
    });
    await assert.rejects(vdisk.device.write(100, Buffer.alloc(10, 1)), { code: 'content-missing' });
    await vdisk.device.write(0, gone);
    await vdisk.device.write(BLOCK_BYTES, bad);
    assert.ok((await vdisk.device.read(0, 2 * BLOCK_BYTES)).equals(Buffer.concat([gone, bad])));
  });

  it('refuses a sector of another length, and serves the others', async () => {
    const { vdisk, name } = await mountNew();
    await vdisk.device.write(0, block(1));
    await vdisk.device.write(SLOTS * BLOCK_BYTES, block(2));
    await vdisk.unmount();
    using link = await EngineLink.open(plane.primaries[0]?.port ?? 0);
    await link.send('HSET', `lba:${name}`, '0', Buffer.alloc(4095, 1));
    const again = await plane.mount(name);
    const expected = {
      code: 'malformed-sector',
      message: /field 0 of lba:.* should be 4096 bytes, found 4095/,
    };
    await assert.rejects(again.vdisk.device.read(0, 1), expected);
    await assert.rejects(again.vdisk.device.write(0, block(3)), expected);
    assert.ok((await again.vdisk.device.read(SLOTS * BLOCK_BYTES, BLOCK_BYTES)).equals(block(2)));
  });
});
