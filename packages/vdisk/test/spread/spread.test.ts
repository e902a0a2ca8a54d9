import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterStorageKey, parseClusterStorage } from '@salvor/config-store';
import { EngineLink, killEngine, until } from '@salvor/testkit';
import { Bandwidth } from '../../src/copy/bandwidth.ts';
import { SCRUB_BEGIN } from '../../src/index.ts';
import { DataPlane, primary, slave } from '../data-plane.ts';
import { assertBlocks, assertPlacement, BLOCK_BYTES, SHARDS, WRITTEN, writeBlocks } from './spread-world.ts';

/** The second block of a chunk on shard 2, and a byte of it in that chunk: blocks have 8 bytes of checksum before them. */
const ROTTEN_BLOCK = 31;
const ROTTEN_BYTE = 70_000;

async function statusesOf(plane: DataPlane): Promise<string[][]> {
  return Promise.all(
    [primary, slave].map(async (cluster) => {
      const { value = '' } = (await plane.store.get(clusterStorageKey(cluster))) ?? {};
      return parseClusterStorage(value).servers.map(({ state }) => state);
    }),
  );
}

describe('an engine that is lost without a spare', () => {
  for (const side of ['primary', 'slave'] as const) {
    it(`of the ${side} cluster: its pair's blocks are on the other pairs, where 0-Disk's placement looks for them`, async () => {
      await using plane = await DataPlane.start({ shards: SHARDS });
      await plane.addVdisk('v1', { blockSize: BLOCK_BYTES });
      const { vdisk, repairs, unavailable } = await plane.mount('v1');
      await writeBlocks(vdisk, 0x11);
      const lost = (side === 'primary' ? plane.primaries : plane.slaves)[1] ?? assert.fail();
      await killEngine(lost);
      await writeBlocks(vdisk, 0x22, WRITTEN.slice(0, 40));
      const begun = await plane.spread(lost.address);
      const done = await plane.complete(begun, ['v1']);
      assert.equal(done.outcome, 'applied', done.reason);
      assert.deepEqual(await statusesOf(plane), [
        ['online', 'rip', 'online'],
        ['online', 'rip', 'online'],
      ]);
      await until(() => vdisk.device.shardStates()[1]?.mode === 'rip', {
        what: 'the owner to see it',
        timeoutMs: 5_000,
      });
      await writeBlocks(vdisk, 0x33, WRITTEN.slice(30, 50));
      await vdisk.device.zero(10 * BLOCK_BYTES, 5 * BLOCK_BYTES);
      const kept = WRITTEN.filter((_, i) => i < 10 || i >= 15);
      const assertAll = async (of: typeof vdisk): Promise<void> => {
        await assertBlocks(
          of,
          0x22,
          kept.filter((block) => block < 30),
        );
        await assertBlocks(of, 0x33, WRITTEN.slice(30, 50));
        await assertBlocks(of, 0x11, WRITTEN.slice(50));
        await assertBlocks(of, 0, [10, 11, 12, 13, 14, 130, 16_000]);
      };
      await assertAll(vdisk);
      assert.deepEqual(
        [...(await assertPlacement(plane, 'v1', 1)).keys()].sort((a, b) => a - b),
        kept,
      );
      assert.deepEqual(
        repairs.map(({ kind, address, storedBlocks }) => [kind, address, storedBlocks]),
        [['repair-final-outage', lost.address, WRITTEN.filter((block) => block % SHARDS === 1).length]],
      );
      assert.deepEqual(unavailable, []);
      const extents = await vdisk.device.extents(0, 20 * BLOCK_BYTES);
      assert.deepEqual(
        extents.map(({ lengthBytes, allocated }) => [lengthBytes / BLOCK_BYTES, allocated]),
        [
          [10, true],
          [5, false],
          [5, true],
        ],
      );
      await vdisk.unmount();
      const next = await plane.mount('v1', 'nbd-2');
      await assertAll(next.vdisk);
    });
  }

  it('a vdisk with chunks: both copies of every block are alike afterwards, and what was corrupt stays an error', async () => {
    await using plane = await DataPlane.start({ shards: SHARDS });
    await plane.addVdisk('v1', { blockSize: BLOCK_BYTES, type: 'volume' });
    const { vdisk } = await plane.mount('v1');
    await writeBlocks(vdisk, 0x11);
    const [lost = assert.fail(), survivor = assert.fail()] = [plane.primaries[2], plane.slaves[2]];
    await killEngine(lost);
    {
      using link = await EngineLink.open(survivor.port);
      await link.sendRaw('SETRANGE', 'salvor:chunk:v1:2', String(ROTTEN_BYTE), 'rot');
    }
    const begun = await plane.spread(lost.address);
    await plane.complete(begun, ['v1']);
    await until(() => vdisk.device.shardStates()[2]?.mode === 'rip', {
      what: 'the owner to see it',
      timeoutMs: 5_000,
    });
    const rotten = vdisk.device.read(ROTTEN_BLOCK * BLOCK_BYTES, BLOCK_BYTES);
    await assert.rejects(rotten, { code: 'corrupt-block' });
    await assertBlocks(
      vdisk,
      0x11,
      WRITTEN.filter((block) => block !== ROTTEN_BLOCK),
    );
    await assertBlocks(vdisk, 0, [121, 130, 8_999, 16_382]);
    await writeBlocks(vdisk, 0x22, WRITTEN.slice(0, 60));
    const scrubbed = await vdisk.scrub(SCRUB_BEGIN, {
      ...{ repair: false, prefer: null, bandwidth: new Bandwidth(0), signal: new AbortController().signal },
      onProgress: async () => {},
    });
    assert.deepEqual([scrubbed.mismatches, scrubbed.blocks], [0, 16_384], 'every block has two equal copies');
    await vdisk.unmount();
    const next = await plane.mount('v1', 'nbd-2');
    await assertBlocks(next.vdisk, 0x22, WRITTEN.slice(0, 60));
    await assertBlocks(next.vdisk, 0x11, WRITTEN.slice(60));
  });
});
