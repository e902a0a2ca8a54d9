import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killEngine, NbdClient, RawNats, restartWithData, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const SERVERS = 10;

test('ten NBD servers report one dead engine at once, twice and out of order: one transition, one incident', async () => {
  await using healing = await HealingStack.start({
    primaries: 2,
    slaves: 2,
    spares: 0,
    nbdServers: SERVERS,
    readyTimeoutMs: 60_000,
  });
  const { bus, stack } = healing;
  const clients: NbdClient[] = [];
  for (const [i, server] of stack.nbdServers.entries()) {
    await healing.createVdisk(`v${i}`);
    clients.push(await NbdClient.connect(server.unixUri(`v${i}`)));
  }
  await Promise.all(clients.map((client, i) => client.write(0, Buffer.alloc(4096, i + 1))));

  const reporters = new Set<string>();
  const watch = bus.watchEvents({
    types: ['engine.failure-reported'],
    handler: ({ payload: { reporter } }) => void (reporter.startsWith('nbd-') && reporters.add(reporter)),
  });
  const engine = stack.engine('primary', 0);
  await killEngine(engine);
  // Each of them goes on writing on the dead shard.
  await Promise.all(clients.map((client, i) => client.write(8192, Buffer.alloc(4096, i + 101))));
  await until(() => reporters.size > 0, { what: 'a server has reported', timeoutMs: 20_000 });

  // A server that heard of the record before it noticed the failure has nothing to report. Let each of them say it, late,
  // twice, and in another order than it happened.
  const report = (reporter: string, detectedAt: number) =>
    bus.publishEvent('engine.failure-reported', {
      address: engine.address,
      reporter,
      reason: 'said again',
      source: 'nbd-server',
      detectedAt,
      at: Date.now(),
    });
  const late = stack.nbdServers
    .map(({ name }) => name)
    .reverse()
    .flatMap((reporter, i) => [report(reporter, Date.now() - 100 * i), report(reporter, Date.now())]);
  await Promise.all(late);

  await restartWithData(engine);
  await healing.untilHealed();
  // Older than the engine's return: no reason to take it out again.
  await report('nbd-7', Date.now() - 60_000);
  await untilAllTaken(stack.natsUrl);

  const { incidents } = await bus.request('incident.list', { all: true });
  assert.equal(incidents.length, 1);
  assert.deepEqual(
    incidents[0]?.history.map(({ from, to }) => `${from} -> ${to}`),
    ['online -> offline', 'offline -> repair-tmp-outage', 'repair-tmp-outage -> online'],
  );
  assert.equal(incidents[0]?.repairs.length, SERVERS);
  for (const [i, client] of clients.entries()) {
    assert.equal((await client.read(0, 4096))[0], i + 1);
    assert.equal((await client.read(8192, 4096))[0], i + 101);
    await client.disconnect();
  }
  await watch.stop();
});

/** Until the coordinators have handled every event there is. */
async function untilAllTaken(natsUrl: string): Promise<void> {
  const nats = await RawNats.connect(natsUrl);
  const isAllTaken = async (): Promise<boolean> => {
    const { body } = await nats.request('$JS.API.CONSUMER.INFO.SALVOR_EVT.repair-coordinator');
    const info = JSON.parse(body.toString()) as { num_pending: number; num_ack_pending: number };
    return info.num_pending === 0 && info.num_ack_pending === 0;
  };
  await until(isAllTaken, { what: 'the coordinator has taken every report', timeoutMs: 20_000 });
  nats.close();
}
