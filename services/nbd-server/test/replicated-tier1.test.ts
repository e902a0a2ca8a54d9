import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@salvor/testkit';
import { LoggedPlane, write } from './logged-plane.ts';
import { startNatsCluster, storedOn } from './nats-cluster.ts';

const BLOCKS = 50;
const FLUSHES_WITHOUT = 50;

test('with three replicas of Tier-1 writes and flushes go on while any one of its servers is killed, and nothing is lost', async () => {
  await using logged = await LoggedPlane.start({ shards: 1, hasSlave: false }, 16 << 20, startNatsCluster);
  assert.equal((await logged.bus.logStreams.facts('TLOG_0')).replicas, 3);
  await logged.plane.addVdisk('v');
  await logged.enable('v');
  const mounted = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 120_000 });
  await write(mounted, 0, 1);
  await logged.untilStatus('v', 'whole');
  const flushed = new Map<number, number>();
  let flushes = 0;
  let isOver = false;
  const load = (async () => {
    for (let i = 0; !isOver; i++) {
      const [block, fill] = [i % BLOCKS, 1 + (i % 250)];
      await write(mounted, block, fill);
      await mounted.vdisk.device.flush();
      flushed.set(block, fill);
      flushes++;
    }
  })();
  // What it says is seen where it is waited for.
  load.catch(() => undefined);
  // One of them leads the stream, and to one of them the owner is connected.
  for (const node of logged.natsServers) {
    const { process } = node;
    await process.kill();
    const before = flushes;
    await until(() => flushes >= before + FLUSHES_WITHOUT, {
      ...{ what: `flushes without ${process.name}`, timeoutMs: 120_000 },
    });
    // The next one may be killed once it has what the others have.
    const { lastSequence } = await logged.bus.logStreams.facts('TLOG_0');
    const ready = async () => (await storedOn(node, 'TLOG_0')) >= lastSequence;
    await process.start({ ready, readyTimeoutMs: 90_000 });
  }
  isOver = true;
  await load;
  const restored = await logged.restored('v');
  for (const [block, fill] of flushed) assert.equal(restored.get(block)?.[0], fill, `block ${block}`);
  await logged.assertRestorable('v');
  assert.equal((await logged.stateOf('v')).status, 'whole');
});
