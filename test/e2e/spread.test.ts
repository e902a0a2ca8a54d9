import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EngineLink, NbdClient, restartEmpty, testSeed, until, VerifyingLoad } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const SHARDS = 3;
const LOST = 1;
const BLOCK_BYTES = 4096;
const IDLE_BLOCKS = 300;

let healing: HealingStack;
before(async () => {
  const env = { SALVOR_SPREAD_AFTER_MS: '0' };
  healing = await HealingStack.start({
    primaries: SHARDS,
    spares: 0,
    services: { 'repair-coordinator': { env } },
  });
});
after(async () => {
  await healing[Symbol.asyncDispose]();
});

async function blocksOn(port: number, vdisk: string): Promise<Map<number, string>> {
  using link = await EngineLink.open(port);
  const list = await link.sendRaw('HGETALL', `nondedup:${vdisk}`);
  const blocks = new Map<number, string>();
  if (!Array.isArray(list)) return blocks;
  for (let i = 0; i + 1 < list.length; i += 2) {
    const content = list[i + 1];
    if (Buffer.isBuffer(content)) blocks.set(Number(String(list[i])), content.toString('base64'));
  }
  return blocks;
}

test('an engine is lost and there is no spare: its blocks go to the other pairs, and everything is healthy again', async () => {
  const uri = await healing.createVdisk('v1');
  const idleUri = await healing.createVdisk('v2');
  const idle = await NbdClient.connect(idleUri);
  const contentOf = (block: number): Buffer => Buffer.alloc(BLOCK_BYTES, 1 + (block % 250));
  for (let block = 0; block < IDLE_BLOCKS; block++) await idle.write(block * BLOCK_BYTES, contentOf(block));
  await idle.disconnect();

  const lost = healing.stack.engine('primary', LOST);
  const survivor = healing.stack.engine('slave', LOST);
  const load = new VerifyingLoad({
    ...{ targets: uri, seed: testSeed(), firstBlock: 0, blockCount: 2_048, queueDepth: 8 },
    ...{ requestsPerSecond: 500, readShare: 0.3 },
  });
  await load.start();
  const wrote = async (more: number): Promise<void> => {
    const goal = load.stats.writesAcknowledged + more;
    await until(() => load.stats.writesAcknowledged >= goal, {
      what: `${more} more writes`,
      timeoutMs: 60_000,
    });
  };
  await wrote(500);
  await restartEmpty(lost);
  await healing.untilStatus(lost.address, 'rip', 180_000);
  await healing.untilHealed();
  await wrote(300);
  const { ioErrors, connectionsLost } = await load.stop();
  const { blocksLost, details } = await load.verifyOverNbd();
  assert.deepEqual([blocksLost, ioErrors, connectionsLost, details], [0, 0, 0, []]);

  const again = await NbdClient.connect(idleUri);
  for (let block = 0; block < IDLE_BLOCKS; block++)
    assert.ok(
      (await again.read(block * BLOCK_BYTES, BLOCK_BYTES)).equals(contentOf(block)),
      `block ${block}`,
    );
  await again.disconnect();

  assert.equal(await healing.engineStatus(survivor.address), 'rip');
  assert.deepEqual(await healing.transitions(), [
    'p1/1 online -> offline',
    'p1/1 offline -> repair-final-outage',
    'p1/1 repair-final-outage -> rip',
  ]);
  const { incidents } = await healing.bus.request('incident.list', { all: true });
  assert.deepEqual(
    incidents.map(({ outcome, repairKind, repairs }) => [
      outcome,
      repairKind,
      repairs.map(({ vdisk }) => vdisk).sort(),
    ]),
    [['spread', 'spread', ['v1', 'v2']]],
  );
  for (const vdisk of ['v1', 'v2']) {
    let stored = 0;
    for (let shard = 0; shard < SHARDS; shard++) {
      if (shard === LOST) continue;
      const blocks = await blocksOn(healing.stack.engine('primary', shard).port, vdisk);
      assert.deepEqual(await blocksOn(healing.stack.engine('slave', shard).port, vdisk), blocks);
      stored += blocks.size;
    }
    const { vdisk: described } = await healing.bus.request('vdisk.describe', { vdisk });
    assert.equal(described.usedBlocks, stored, 'the other shards hold every block');
    assert.deepEqual(
      described.copies.map(({ state }) => state),
      ['both', 'rip', 'both'],
    );
  }
  // A cluster with a shard less is as good as any: vdisks come and go.
  const third = await NbdClient.connect(await healing.createVdisk('v3'));
  await third.write(0, Buffer.alloc(64 * BLOCK_BYTES, 0x33));
  assert.equal((await third.read(LOST * BLOCK_BYTES, 1))[0], 0x33);
  await third.disconnect();
});
