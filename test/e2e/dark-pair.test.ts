import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { killEngine, NbdClient, restartWithData, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

/** Engines count as lost after two seconds here, and the primary cluster has a spare to take. */
let healing: HealingStack;
before(async () => {
  healing = await HealingStack.start({
    ...{ primaries: 1, slaves: 1, spares: 1 },
    services: { 'health-analyzer': { env: { SALVOR_PERMANENT_AFTER_MS: '2000' } } },
  });
});
after(async () => {
  await healing[Symbol.asyncDispose]();
});

test('a pair that was dark for so long that its engines count as lost takes no spare, and is used as soon as it is back', async () => {
  const client = await NbdClient.connect(await healing.createVdisk('v1'));
  const [first, last] = [healing.stack.engine('primary', 0), healing.stack.engine('slave', 0)];
  await client.write(0, Buffer.alloc(4096, 0x11));
  await killEngine(first);
  await client.write(0, Buffer.alloc(4096, 0x22));
  await killEngine(last);
  const open = async () => (await healing.bus.request('incident.list', { all: false })).incidents;
  await until(
    async () => {
      const incidents = await open();
      return incidents.length === 2 && incidents.every(({ verdict }) => verdict?.verdict === 'permanent');
    },
    { what: 'both count as lost', timeoutMs: 30_000 },
  );
  for (const { status, waitsFor } of await open()) {
    assert.equal(status, 'offline');
    assert.match(waitsFor ?? '', /nothing to rebuild it from; it is used when it comes back with its data/);
  }
  const { cluster } = await healing.bus.request('cluster.get', { cluster: 'p1' });
  assert.equal(cluster.spares.length, 1, 'the spare is left');
  await restartWithData(first);
  await restartWithData(last);
  await healing.untilHealed();
  const served = async () => (await client.read(0, 4096))[0] === 0x22;
  await until(served, { what: 'the newest write is served', timeoutMs: 30_000 });
  await client.disconnect();
});
