import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killEngine, NbdClient, RawNats, restartWithData, type Stack, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const VDISKS = 12;
const REPLICAS = { replicas: 2 };

test('two coordinators and two analyzers make one incident, one of each transition and of each announcement, though one of each is killed in the middle of the repair', async () => {
  await using healing = await HealingStack.start({
    primaries: 2,
    slaves: 2,
    spares: 0,
    nbdServers: 2,
    readyTimeoutMs: 60_000,
    services: { 'repair-coordinator': REPLICAS, 'health-analyzer': REPLICAS },
    // Slow enough that the repairs are under way for a while.
    nbdServerEnv: { SALVOR_REPAIRS_AT_ONCE: '1', SALVOR_REPAIR_BANDWIDTH_MIB: '1' },
  });
  const { bus, stack } = healing;
  const clients: NbdClient[] = [];
  for (let i = 0; i < VDISKS; i++) {
    await healing.createVdisk(`v${i}`);
    const server = stack.nbdServers[i % stack.nbdServers.length] ?? healing.server;
    clients.push(await NbdClient.connect(server.unixUri(`v${i}`)));
  }
  const engine = stack.engine('primary', 0);
  await killEngine(engine);
  // Sixteen blocks of each vdisk on the shard: half of the even ones.
  const written = Buffer.alloc(32 * 4096, 7);
  await Promise.all(clients.map((client) => client.write(0, written)));
  await restartWithData(engine);
  await healing.untilStatus(engine.address, 'repair-tmp-outage');
  const { incidents: open } = await bus.request('incident.list', { all: false });
  const incident = open[0]?.incident ?? assert.fail('no incident is open');
  await Promise.all([
    stack.service('repair-coordinator').kill('SIGKILL'),
    stack.service('health-analyzer').kill('SIGKILL'),
  ]);
  await healing.untilHealed();
  await Promise.all([stack.service('repair-coordinator').start(), stack.service('health-analyzer').start()]);

  const { incidents } = await bus.request('incident.list', { all: true });
  assert.deepEqual(
    incidents.map((one) => [one.incident, one.history.map(({ to }) => to)]),
    [[incident, ['offline', 'repair-tmp-outage', 'online']]],
  );
  assert.equal(incidents[0]?.repairs.length, VDISKS);
  const token = engine.address.replaceAll('.', '_');
  const expected = {
    [`salvor.evt.v1.incident.opened.${incident}`]: 1,
    [`salvor.evt.v1.incident.closed.${incident}`]: 1,
    [`salvor.evt.v1.engine.status-changed.${token}`]: 3,
  };
  const announced = (counts: Record<string, number>) =>
    Object.fromEntries(Object.keys(expected).map((subject) => [subject, counts[subject] ?? 0]));
  await until(async () => Object.values(announced(await storedEvents(stack))).every((count) => count > 0), {
    what: 'all is announced',
    timeoutMs: 20_000,
  });
  // The one that came back announces what it finds, and the stream has it already.
  await until(() => stack.service('repair-coordinator').tail().includes('service started'), {
    what: 'the coordinator is back',
    timeoutMs: 20_000,
  });
  assert.deepEqual(announced(await storedEvents(stack)), expected);
  for (const client of clients) {
    assert.deepEqual(await client.read(0, written.length), written);
    await client.disconnect();
  }
});

/** How many events the stream has of each subject. */
async function storedEvents(stack: Stack): Promise<Record<string, number>> {
  const nats = await RawNats.connect(stack.natsUrl);
  try {
    const ask = JSON.stringify({ subjects_filter: 'salvor.evt.>' });
    const { body } = await nats.request('$JS.API.STREAM.INFO.SALVOR_EVT', Buffer.from(ask));
    return (
      (JSON.parse(body.toString()) as { state: { subjects?: Record<string, number> } }).state.subjects ?? {}
    );
  } finally {
    nats.close();
  }
}
