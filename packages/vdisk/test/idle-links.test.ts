import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { EngineLink, type RedisHandle, restartEmpty, restartWithData, until } from '@salvor/testkit';
import { DataPlane, type Mounted } from './data-plane.ts';

const BLOCK_BYTES = 4096;

let plane: DataPlane;
let vdisk: string;
let mounted: Mounted;
let runs = 0;

before(async () => {
  plane = await DataPlane.start({ shards: 1 });
});
after(async () => {
  await plane?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  vdisk = `v${++runs}`;
  await plane.addVdisk(vdisk);
  mounted = await plane.mount(vdisk, 'nbd-1', { linkIdleMs: 100, idleSessionsMax: 0 });
});

function engines(): RedisHandle[] {
  return [...plane.primaries, ...plane.slaves];
}

async function linksTo(engine: RedisHandle): Promise<number> {
  using link = await EngineLink.open(engine.port);
  const clients = String(await link.send('CLIENT', 'LIST'));
  return clients.split('\n').filter((line) => line.includes(`name=salvor:owner:${vdisk}:`)).length;
}

function untilLinksAreClosed(): Promise<true> {
  const closed = async (): Promise<boolean> =>
    (await Promise.all(engines().map(linksTo))).every((count) => count === 0);
  return until(closed, { what: 'the idle links are closed', timeoutMs: 10_000 });
}

test('links of an idle vdisk are closed, and opened again when they are needed', async () => {
  const { device } = mounted.vdisk;
  for (let round = 1; round <= 3; round++) {
    await untilLinksAreClosed();
    await device.write(0, Buffer.alloc(BLOCK_BYTES, round));
    await untilLinksAreClosed();
    assert.equal((await device.read(0, BLOCK_BYTES))[0], round);
  }
  assert.deepEqual(mounted.failures, []);
  assert.equal(device.shardStates()[0]?.mode, 'mirrored');
  await mounted.vdisk.unmount();
});

test('a few idle links are kept: over them a vdisk can be served beyond its lease', async () => {
  const other = `kept-${vdisk}`;
  await plane.addVdisk(other);
  const { vdisk: kept } = await plane.mount(other, 'nbd-1', { linkIdleMs: 50 });
  await mounted.vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES, 1));
  await untilLinksAreClosed();
  vdisk = other;
  assert.deepEqual(await Promise.all(engines().map(linksTo)), [2, 2]);
  await kept.unmount();
  await mounted.vdisk.unmount();
});

test('links in use stay open', async () => {
  const { device } = mounted.vdisk;
  const [engine] = plane.primaries;
  assert.ok(engine !== undefined);
  using link = await EngineLink.open(engine.port);
  const ids = async (): Promise<string[]> =>
    [...String(await link.send('CLIENT', 'LIST')).matchAll(/^id=(\d+) .*name=salvor:owner:/gm)].map(
      (match) => match[1] ?? '',
    );
  await device.write(0, Buffer.alloc(BLOCK_BYTES, 1));
  const before = await ids();
  assert.equal(before.length, 2);
  const endsAt = performance.now() + 1_000;
  await until(
    async () => {
      await device.write(0, Buffer.alloc(BLOCK_BYTES, 2));
      return performance.now() > endsAt;
    },
    { what: 'a second of writes', timeoutMs: 10_000, intervalMs: 5 },
  );
  assert.deepEqual(await ids(), before);
  await mounted.vdisk.unmount();
});

test('an engine that was started again with its data meanwhile goes on', async () => {
  const [engine] = plane.slaves;
  assert.ok(engine !== undefined);
  await mounted.vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES, 5));
  await untilLinksAreClosed();
  using link = await EngineLink.open(engine.port);
  await link.send('SAVE');
  await restartWithData(engine);
  await mounted.vdisk.device.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 6));
  assert.deepEqual(mounted.failures, []);
  await mounted.vdisk.unmount();
});

test('an engine that lost everything meanwhile is noticed at the next use, and nothing it lacks is read as zeros', async () => {
  const [engine] = plane.primaries;
  assert.ok(engine !== undefined);
  await mounted.vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES, 9));
  await untilLinksAreClosed();
  await restartEmpty(engine);
  assert.equal((await mounted.vdisk.device.read(0, BLOCK_BYTES))[0], 9);
  assert.deepEqual(
    mounted.failures.map(({ address }) => address),
    [engine.address],
  );
  await mounted.vdisk.unmount();
});
