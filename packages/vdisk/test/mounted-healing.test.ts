import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clusterStorageKey, formatClusterStorage, parseClusterStorage } from '@salvor/config-store';
import { killEngine, restartWithData, restartWithoutTail, until } from '@salvor/testkit';
import { blocksOn, DataPlane, type Mounted, primary, slave } from './data-plane.ts';

/** Few and large blocks: a rebuild goes through all of them. */
const BLOCK_BYTES = 65_536;
const BLOCKS = 24;

async function writeBlocks({ vdisk }: Mounted, fill: number, blocks = BLOCKS): Promise<void> {
  for (let block = 0; block < blocks; block++) {
    await vdisk.device.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill));
  }
}

async function assertContent({ vdisk }: Mounted, fills: readonly number[]): Promise<void> {
  for (const [block, fill] of fills.entries()) {
    const found = await vdisk.device.read(block * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(
      found.equals(Buffer.alloc(BLOCK_BYTES, fill)),
      `block ${block} is ${found[0]}, expected ${fill}`,
    );
  }
}

const filled = (fill: number, blocks = BLOCKS): number[] => Array.from({ length: blocks }, () => fill);

async function startMounted(options: Parameters<typeof DataPlane.start>[0] = {}) {
  const plane = await DataPlane.start(options);
  await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
  const mounted = await plane.mount('v1');
  await writeBlocks(mounted, 0x11);
  const [engine] = plane.primaries;
  const [partner] = plane.slaves;
  return { plane, mounted, engine: engine ?? assert.fail(), partner };
}

describe('an engine that dies under a mounted vdisk', () => {
  it('is recorded by its owner, and repaired when it is back with its data', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeBlocks(mounted, 0x22, 10);
    assert.equal(await plane.statusOf(engine.address), 'offline');
    assert.equal(mounted.failures[0]?.address, engine.address);
    await assertContent(mounted, [...filled(0x22, 10), ...filled(0x11, BLOCKS - 10)]);

    await restartWithData(engine);
    const judged = await plane.judge(engine.address, 'temporary');
    const done = await plane.complete(judged, ['v1']);
    assert.equal(done.outcome, 'applied', done.reason);
    const [outcome] = mounted.repairs;
    assert.deepEqual([outcome?.kind, outcome?.dirtyBlocks], ['repair-tmp-outage', 5]);
    await until(() => mounted.vdisk.device.shardStates().every(({ mode }) => mode === 'mirrored'), {
      what: 'every pair to be mirrored',
      timeoutMs: 5_000,
    });
    await writeBlocks(mounted, 0x33, 4);
    assert.deepEqual(await blocksOn(engine, 'v1'), await blocksOn(partner ?? assert.fail(), 'v1'));
  });

  it('and fails once more is recorded by an owner whose clock is an hour behind', async (t) => {
    const { plane, mounted, engine } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeBlocks(mounted, 0x22, 4);
    await restartWithData(engine);
    await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    await plane.waitForStatus(engine.address, 'online');
    const { now } = Date;
    t.mock.method(Date, 'now', () => now() - 3_600_000);
    await killEngine(engine);
    await writeBlocks(mounted, 0x33, 4);
    assert.equal(await plane.statusOf(engine.address), 'offline');
    await assertContent(mounted, [...filled(0x33, 4), ...filled(0x11, BLOCKS - 4)]);
  });

  it('and lost its tail is not served from, and gets the tail back', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await writeBlocks(mounted, 0x22, 4);
    await restartWithoutTail(engine, { commands: 10 });
    await assertContent(mounted, [...filled(0x22, 4), ...filled(0x11, BLOCKS - 4)]);
    await plane.waitForStatus(engine.address, 'offline');
    await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    await plane.waitForStatus(engine.address, 'online');
    assert.deepEqual(await blocksOn(engine, 'v1'), await blocksOn(partner ?? assert.fail(), 'v1'));
  });

  it('for good is rebuilt on a spare, which then takes its place', async () => {
    const { plane, mounted, engine, partner } = await startMounted({ spares: 1 });
    await using _plane = plane;
    const [spare = assert.fail()] = plane.spares;
    await killEngine(engine);
    await writeBlocks(mounted, 0x22, 10);
    const judged = await plane.judge(engine.address, 'permanent');
    assert.equal(judged.transition?.replacement, spare.address);
    await plane.complete(judged, ['v1']);
    assert.equal(await plane.statusOf(spare.address), 'online');
    const storage = await plane.store.get(clusterStorageKey(primary));
    assert.equal(parseClusterStorage(storage?.value ?? '').servers[0]?.generation, 2);

    await writeBlocks(mounted, 0x33, 4);
    await assertContent(mounted, [...filled(0x33, 4), ...filled(0x22, 6), ...filled(0x11, BLOCKS - 10)]);
    assert.deepEqual(await blocksOn(spare, 'v1'), await blocksOn(partner ?? assert.fail(), 'v1'));
    await mounted.vdisk.unmount();
    const next = await plane.mount('v1', 'nbd-2');
    await assertContent(next, filled(0x33, 4));
  });

  it('during a repair is repaired by the next owner, from what is recorded', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeBlocks(mounted, 0x22, 10);
    await mounted.vdisk.unmount();
    await restartWithData(engine);
    const judged = await plane.judge(engine.address, 'temporary');
    const next = await plane.mount('v1', 'nbd-2');
    await plane.complete(judged, ['v1']);
    await plane.waitForStatus(engine.address, 'online');
    await assertContent(next, [...filled(0x22, 10), ...filled(0x11, BLOCKS - 10)]);
    assert.deepEqual(await blocksOn(engine, 'v1'), await blocksOn(partner ?? assert.fail(), 'v1'));
  });

  it('fails its shard alone where there is no slave cluster, and serves again when it is back whole', async () => {
    const { plane, mounted, engine } = await startMounted({ hasSlave: false });
    await using _plane = plane;
    await killEngine(engine);
    await until(() => mounted.unavailable.length > 0, {
      what: 'the shard to be unavailable',
      timeoutMs: 5_000,
    });
    await assert.rejects(mounted.vdisk.device.read(0, 1), { code: 'data-unavailable', nbdErrno: 5 });
    await assert.rejects(mounted.vdisk.device.write(0, Buffer.alloc(1)), { code: 'data-unavailable' });
    const other = await mounted.vdisk.device.read(BLOCK_BYTES, 1);
    assert.equal(other[0], 0x11, 'the other shard does not notice');
    await plane.reportFailure(engine.address);
    await restartWithData(engine);
    await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    await until(
      () =>
        mounted.vdisk.device.read(0, 1).then(
          ([byte]) => byte === 0x11,
          () => false,
        ),
      { what: 'the shard to serve again', timeoutMs: 5_000 },
    );
    await writeBlocks(mounted, 0x22);
  });
});

describe('a mounted vdisk and its cluster configuration', () => {
  const key = clusterStorageKey(primary);
  const wrongs: readonly [what: string, value: string | null][] = [
    ['is no YAML', '{servers: ['],
    ['has an unknown state', 'servers:\n- address: 127.0.0.1:1\n  state: gone\n'],
    ['is empty', ''],
    ['lists fewer servers', 'servers:\n- address: 127.0.0.1:1\n'],
    ['is deleted', null],
  ];
  let plane: DataPlane;
  let good: string;

  before(async () => {
    plane = await DataPlane.start();
    good = (await plane.store.get(key))?.value ?? assert.fail('no cluster');
  });

  after(async () => {
    await plane?.[Symbol.asyncDispose]();
  });

  for (const [number, [what, value]] of wrongs.entries()) {
    it(`goes on with the old one when the new one ${what}, and follows the next good one`, async () => {
      const name = `v${number}`;
      const put = (text: string) => plane.store.transact({ compare: [], puts: [{ key, value: text }] });
      await put(good);
      await plane.addVdisk(name, { blockSize: BLOCK_BYTES });
      const mounted = await plane.mount(name);
      if (value === null) await plane.store.transact({ compare: [], deletes: [key] });
      else await put(value);
      await until(() => mounted.complaints.includes('ignored a bad cluster configuration'), {
        what: 'the bad configuration to be seen',
        timeoutMs: 5_000,
      });
      await writeBlocks(mounted, 0x22);
      await assertContent(mounted, filled(0x22));
      assert.deepEqual([mounted.failures, mounted.lost], [[], []]);

      const { servers } = parseClusterStorage(good);
      const offline = servers.map((entry, shard) =>
        shard === 0 ? ({ ...entry, status: 'offline', state: 'offline' } as const) : entry,
      );
      await put(formatClusterStorage({ servers: offline }));
      await until(() => mounted.vdisk.device.shardStates()[0]?.mode === 'alone', {
        what: 'the offline engine to be left out',
        timeoutMs: 5_000,
      });
      await writeBlocks(mounted, 0x33);
      const [engine = assert.fail()] = plane.primaries;
      const [stale] = [...(await blocksOn(engine, name)).values()];
      assert.equal(stale?.[0], 0x22, 'the engine that is recorded as offline gets no more writes');
      await mounted.vdisk.unmount();
    });
  }
});

describe('a mounted vdisk whose etcd is killed', () => {
  it('serves on, holds the writes of a shard that loses an engine, and goes on when etcd is back', async () => {
    const { plane, mounted, engine } = await startMounted();
    await using _plane = plane;
    await plane.etcd.process.kill();
    await writeBlocks(mounted, 0x22);
    await assertContent(mounted, filled(0x22));

    await killEngine(engine);
    await until(() => mounted.failures.length > 0, { what: 'the failure to be noticed', timeoutMs: 5_000 });
    let isAcknowledged = false;
    const held = mounted.vdisk.device.write(0, Buffer.alloc(BLOCK_BYTES, 0x33)).then(() => {
      isAcknowledged = true;
    });
    await mounted.vdisk.device.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 0x33));
    assert.equal(
      (await mounted.vdisk.device.read(2 * BLOCK_BYTES, 1))[0],
      0x22,
      'reads come from the partner',
    );
    assert.equal(
      isAcknowledged,
      false,
      'nothing is acknowledged that etcd does not know to be on one engine only',
    );

    await plane.etcd.process.start();
    await held;
    assert.equal(await plane.statusOf(engine.address), 'offline');
    await assertContent(mounted, [0x33, 0x33, ...filled(0x22, BLOCKS - 2)]);
    assert.deepEqual(mounted.lost, []);
    assert.equal(await plane.ownerOf('v1'), 'nbd-1');
  });
});

describe('both clusters', () => {
  it('are healed alike: an engine of the slave cluster dies and comes back', async () => {
    const { plane, mounted, engine, partner = assert.fail() } = await startMounted();
    await using _plane = plane;
    await killEngine(partner);
    await writeBlocks(mounted, 0x22, 6);
    const status = await plane.statusOf(partner.address);
    assert.equal(status, 'offline');
    await restartWithData(partner);
    const judged = await plane.judge(partner.address, 'temporary');
    assert.equal(judged.cluster, slave);
    await plane.complete(judged, ['v1']);
    assert.deepEqual(await blocksOn(partner, 'v1'), await blocksOn(engine, 'v1'));
  });
});
