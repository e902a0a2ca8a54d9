import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '@salvor/testkit';
import { OwnedElsewhereError } from '../src/index.ts';
import { blocksOn, DataPlane, type Mounted } from './data-plane.ts';
import { OwnerProcess } from './owner-process.ts';

const ALL_BYTES = 8 * 4096;

let plane: DataPlane;

before(async () => {
  plane = await DataPlane.start();
});

after(async () => {
  await plane?.[Symbol.asyncDispose]();
});

/** Stops an owner in the middle of its writes, lets `next` take the vdisk, and wakes the first one up. */
async function overtake(
  vdisk: string,
  next: () => Promise<Mounted>,
  how: 'pause' | 'block' = 'pause',
): Promise<void> {
  await plane.addVdisk(vdisk);
  const paused = new OwnerProcess(plane.etcd.endpoint, vdisk, 'nbd-1');
  try {
    await paused.waitFor('written');
    paused[how]();
    const { vdisk: mounted, lost } = await next();
    assert.ok(BigInt(mounted.epoch) > BigInt(String(await paused.waitFor('mounted'))));

    const inherited = await mounted.device.read(0, ALL_BYTES);
    for (let block = 0; block < 8; block++) {
      const content = inherited.subarray(block * 4096, (block + 1) * 4096);
      assert.ok(
        content.every((byte) => byte === content[0]),
        'no block is torn',
      );
      assert.notEqual(content[0], 0, 'what the first owner wrote is there');
    }
    await mounted.device.write(0, Buffer.alloc(4096, 0xee));
    const before = await contents(vdisk);

    paused.resume();
    assert.equal(await paused.waitFor('stopped'), 'ownership-lost');
    assert.notEqual(paused.lines.at(-1)?.read, 'served');
    assert.ok(
      paused.lines.some((line) => 'lost' in line),
      'it says that it lost the vdisk',
    );
    assert.ok(!paused.lines.some((line) => 'failure' in line), 'no engine is blamed for it');

    assert.deepEqual(await contents(vdisk), before, 'it wrote nothing after it was overtaken');
    await mounted.device.write(4096, Buffer.alloc(4096, 0xdd));
    assert.deepEqual(await mounted.device.read(0, 4096), Buffer.alloc(4096, 0xee));
    assert.deepEqual(lost, []);
    await mounted.unmount();
  } finally {
    await paused.end();
  }
}

/** Mounts as another server, as soon as the lease of the owner has expired. */
async function mountWhenFree(vdisk: string): Promise<Mounted> {
  let taken: Mounted | null = null;
  await until(
    async () => {
      try {
        taken = await plane.mount(vdisk, 'nbd-2');
        return true;
      } catch (error) {
        if (error instanceof OwnedElsewhereError) return false;
        throw error;
      }
    },
    { what: 'the lease to expire', timeoutMs: 20_000 },
  );
  return taken ?? assert.fail();
}

/** The blocks of both clusters, equal in pairs. */
async function contents(vdisk: string): Promise<Map<number, Buffer>[]> {
  const of = (engines: readonly Parameters<typeof blocksOn>[0][]) =>
    Promise.all(engines.map((engine) => blocksOn(engine, vdisk)));
  const [primaries, slaves] = await Promise.all([of(plane.primaries), of(plane.slaves)]);
  assert.deepEqual(slaves, primaries);
  return primaries;
}

describe('an owner that was stopped while it wrote', () => {
  it('writes nothing and serves nothing after another server took the vdisk when its lease had expired', async () => {
    await overtake('expired', () => mountWhenFree('expired'));
  });

  it('writes nothing and serves nothing after its event loop was blocked for longer than its lease', async () => {
    await overtake('blocked', () => mountWhenFree('blocked'), 'block');
  });

  it('writes nothing and serves nothing after a new run of its own server took over at once', async () => {
    await overtake('restarted', () => plane.mount('restarted', 'nbd-1'));
  });
});
