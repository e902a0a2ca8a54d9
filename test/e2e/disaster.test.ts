import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NbdClient, testSeed, until, VerifyingLoad } from '@salvor/testkit';
import { benchDisaster } from '../bench/disaster.ts';
import { DisasterStack } from './disaster-stack.ts';

const LOST = 1;
const BLOCK_BYTES = 4096;
const ARCHIVED_BLOCKS = 300;

describe('both members of a pair are destroyed', () => {
  it('under load: the plan waits for an operator, and the replay brings every acknowledged and flushed write back', async () => {
    await using stack = await DisasterStack.start();
    const { healing } = stack;
    const uri = await stack.createLogged('v1');
    const first = await NbdClient.connect(uri);
    await stack.untilLogged('v1');
    await first.disconnect();
    await healing.createVdisk('v2');
    const load = new VerifyingLoad({
      ...{ targets: uri, seed: testSeed(), firstBlock: 0, blockCount: 2_048, queueDepth: 8 },
      ...{ fuaShare: 1 },
    });
    await load.start();
    await until(() => load.stats.writesAcknowledged >= 1_000, {
      ...{ what: 'a thousand writes', timeoutMs: 120_000 },
    });
    await stack.destroyPair(LOST);
    await until(() => load.stats.ioErrors > 0, { what: 'errors of the lost shard', timeoutMs: 60_000 });
    await stack.judgePermanent(LOST);
    const plan = await stack.untilPlanned();
    await load.stop();
    assert.deepEqual(
      plan.pairs.map(({ shard, way }) => [shard, way]),
      [[LOST, 'spares']],
    );
    assert.deepEqual(
      plan.vdisks.map(({ vdisk, recoverable, why }) => [vdisk, recoverable, why]),
      [
        ['v1', 'all', undefined],
        ['v2', 'nothing', 'it has no log'],
      ],
    );
    const { status, message } = await stack.untilEnded(await stack.replay());
    assert.equal(status, 'completed', message);
    await healing.untilHealed();
    const { blocksLost, details } = await load.verifyOverNbd();
    assert.deepEqual([blocksLost, details], [0, []]);

    const { incidents } = await healing.bus.request('incident.list', { all: true });
    assert.deepEqual(
      incidents.map(({ outcome, recovery }) => [outcome, recovery]),
      [
        ['recovered', plan.recovery],
        ['recovered', plan.recovery],
      ],
    );
    await assert.rejects(NbdClient.connect(healing.server.unixUri('v2')), 'what no log holds is locked');
    const locked = (await stack.recovery())?.vdisks.find(({ vdisk }) => vdisk === 'v2');
    assert.equal(locked?.state, 'lost');
    const given = { vdisk: 'v2', reason: 'it was empty' };
    await healing.bus.request('dr.accept-loss', { ...given, blocks: locked.lostBlocks ?? 0 });
    const again = await NbdClient.connect(healing.server.unixUri('v2'));
    assert.equal((await again.read(LOST * 4096, 1))[0], 0);
    await again.disconnect();
  });

  it('and Tier-1 of the log with them: what is archived brings everything back', async () => {
    await using stack = await DisasterStack.start();
    const uri = await stack.createLogged('v1');
    const client = await NbdClient.connect(uri);
    await stack.untilLogged('v1');
    const contentOf = (block: number): Buffer => Buffer.alloc(BLOCK_BYTES, 1 + (block % 250));
    for (let block = 0; block < ARCHIVED_BLOCKS; block++)
      await client.write(block * BLOCK_BYTES, contentOf(block));
    await client.flush();
    await client.disconnect();
    await stack.untilArchived('v1', ARCHIVED_BLOCKS);
    await stack.wipeTier1('v1');
    await stack.destroyPair(LOST);
    await stack.judgePermanent(LOST);
    const [planned] = (await stack.untilPlanned()).vdisks;
    assert.deepEqual([planned?.recoverable, planned?.logBlocks], ['all', ARCHIVED_BLOCKS / 3]);
    const { status, message } = await stack.untilEnded(await stack.replay());
    assert.equal(status, 'completed', message);
    const again = await NbdClient.connect(uri);
    for (let block = 0; block < ARCHIVED_BLOCKS; block++) {
      const found = await again.read(block * BLOCK_BYTES, BLOCK_BYTES);
      assert.ok(found.equals(contentOf(block)), `block ${block}`);
    }
    await again.disconnect();
  });

  it('below file systems, and what replays is killed in the middle of it: all files are back, and fsck finds nothing', async () => {
    const result = await benchDisaster({ vdisks: 2, kills: 2, mib: 32, progress: () => {} });
    assert.deepEqual(result.broken, [], JSON.stringify(result));
    assert.deepEqual([result.kills, result.fileSystemsClean, result.filesDifferent], [2, 2, 0]);
    assert.ok(result.filesCompared > 0 && result.blocksRestored > 0, JSON.stringify(result));
  });
});
