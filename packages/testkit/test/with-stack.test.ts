import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { it } from 'node:test';
import { RawNats, testSeed, until, VerifyingLoad, withStack } from '@salvor/testkit';

const ownNbdServers = { 'log-watcher': { replicas: 0 } } as const;

it('a load on a vdisk of a stack loses nothing while an engine is killed', async () => {
  const seed = testSeed();
  const stackOptions = { primaries: 2, spares: 2 };
  const folder = await withStack(stackOptions, async (stack, dir) => {
    using nats = await RawNats.connect(stack.natsUrl);
    const vdisk = { vdisk: 'v1', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' };
    const created = await nats.request('salvor.cmd.v1.vdisk.create', JSON.stringify(vdisk));
    assert.equal(created.headers['Nats-Service-Error'], undefined, created.body.toString());

    const load = new VerifyingLoad({
      targets: stack.nbdServer().uri('v1'),
      seed,
      blockCount: 200,
      readShare: 0.2,
    });
    await load.start();
    await until(() => load.stats.writesAcknowledged > 300, { what: 'writes', timeoutMs: 20_000 });
    await stack.engine('primary', 1).process.kill();
    const killedAt = performance.now();
    await load.firstAck({ submittedAfter: killedAt, shard: { index: 1, shards: 2 }, timeoutMs: 20_000 });
    const stats = await load.stop();
    assert.equal(stats.ioErrors, 0);
    const { blocksLost, details } = await load.verifyOverNbd();
    assert.equal(blocksLost, 0, `seed ${seed}: ${details.map((lost) => lost.reason).join('; ')}`);
    return dir.path;
  });
  assert.equal(existsSync(folder), false);
});

it('an error within a stack brings the ends of the service logs along', async () => {
  const failing = withStack({ primaries: 1, spares: 0, nbdServers: 0, services: ownNbdServers }, async () => {
    throw new Error('expected blue');
  });
  await assert.rejects(failing, /expected blue\n--- end of the log of [\s\S]*repair-coordinator/);
});
