import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { IncidentDescription } from '@salvor/contracts';
import { killEngine, NbdClient, restartWithData, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const BLOCK_BYTES = 4096;
let healing: HealingStack;
let client: NbdClient;
before(async () => {
  healing = await HealingStack.start({ primaries: 2 });
  client = await NbdClient.connect(await healing.createVdisk('v1'));
});
after(async () => {
  await client?.disconnect();
  await healing[Symbol.asyncDispose]();
});

const why = { reason: 'a test', by: 'alice' };

/** Block n of shard 0: every second block is on it. */
const onShard0 = (n: number): number => 2 * n * BLOCK_BYTES;

async function fill(from: number, count: number, byte: number): Promise<void> {
  for (let n = from; n < from + count; n++) await client.write(onShard0(n), Buffer.alloc(BLOCK_BYTES, byte));
}

async function read(n: number): Promise<number> {
  return (await client.read(onShard0(n), BLOCK_BYTES))[0] ?? -1;
}

async function incidentOf(address: string): Promise<IncidentDescription> {
  const { incidents } = await healing.bus.request('incident.list', { all: true });
  const own = incidents.filter((incident) => incident.address === address);
  return own.sort((a, b) => b.openedAt - a.openedAt)[0] ?? assert.fail(`no incident of ${address}`);
}

/** The verdict on an engine that is back is given again and again while nobody may apply it. */
async function judgedAgain(address: string, work: () => Promise<unknown>): Promise<void> {
  let verdicts = 0;
  const watch = healing.bus.watchEvents({
    types: ['engine.verdict-given'],
    handler: ({ payload }) => {
      if (payload.address === address) verdicts++;
    },
  });
  await work();
  await until(() => verdicts >= 2, { what: `two verdicts on ${address}`, timeoutMs: 30_000 });
  await watch.stop();
}

test('an engine that is taken out comes back with exactly the blocks it missed', async () => {
  const { address } = healing.stack.engine('primary', 0);
  await fill(0, 10, 0x11);
  const { incident } = await healing.bus.request('engine.take-offline', { address, ...why });
  await judgedAgain(address, () => fill(0, 7, 0x22));
  assert.equal(await healing.engineStatus(address), 'offline', 'it answers, and stays out');
  await healing.bus.request('engine.bring-online', { address, ...why });
  await healing.untilHealed();
  const closed = await incidentOf(address);
  assert.deepEqual([closed.incident, closed.outcome], [incident, 'repaired']);
  assert.deepEqual(
    closed.repairs.map(({ vdisk, dirtyBlocks: dirty, copiedBlocks }) => [vdisk, dirty, copiedBlocks]),
    [['v1', 7, 7]],
  );
  assert.deepEqual(
    closed.actions.map(({ action, by }) => [action, by]),
    [
      ['engine.take-offline', 'alice'],
      ['engine.bring-online', 'alice'],
    ],
  );
  assert.deepEqual([await read(0), await read(8)], [0x22, 0x11]);
});

test('a downtime keeps an engine that is back from being repaired, and ends by itself', async () => {
  const engine = healing.stack.engine('slave', 1);
  const { address } = engine;
  const { until: end } = await healing.bus.request('downtime.begin', {
    ...{ target: address, seconds: 15, ...why },
  });
  await killEngine(engine);
  await healing.untilStatus(address, 'offline');
  await judgedAgain(address, () => restartWithData(engine));
  const { waitsFor } = await incidentOf(address);
  await healing.untilHealed();
  const { history } = await incidentOf(address);
  const repairedAt = history.find(({ to }) => to === 'repair-tmp-outage')?.at ?? 0;
  assert.ok(repairedAt >= Number(end), 'nothing was repaired before its end');
  assert.match(String(waitsFor), /alice announced a downtime/);
});

test('a retired engine hands its place to a spare while clients go on', async () => {
  const { address } = healing.stack.engine('primary', 1);
  const spare = healing.stack.engines.spares[0]?.address;
  const { replacement } = await healing.bus.request('engine.retire', { address, ...why });
  assert.equal(replacement, spare);
  await fill(200, 20, 0x55);
  await healing.untilHealed();
  const { cluster } = await healing.bus.request('cluster.get', { cluster: 'p1' });
  assert.equal(cluster.engines[1]?.address, spare);
  assert.deepEqual(
    cluster.retired.map((engine) => engine.address),
    [address],
  );
  assert.equal(await read(210), 0x55);
});

test('a stale engine is refused, and comes back with the loss that somebody accepts', async () => {
  const [stale, whole] = [healing.stack.engine('primary', 0), healing.stack.engine('slave', 0)];
  const { address } = stale;
  await fill(0, 10, 0x66);
  await healing.bus.request('engine.take-offline', { address, ...why });
  await fill(0, 4, 0x77);
  await killEngine(whole);
  await healing.untilStatus(whole.address, 'offline');
  const back = { address, ...why };
  await assert.rejects(healing.bus.request('engine.bring-online', back), {
    code: 'stale-engine',
    message: /It would lose v1: at most \d+ blocks, not known: its partner .* cannot be asked/,
  });
  const accepted = await healing.bus.request('engine.bring-online', { ...back, acceptDataLoss: true });
  assert.deepEqual(
    accepted.lost.map(({ vdisk }) => vdisk),
    ['v1'],
  );
  await client.disconnect().catch(() => undefined);
  await until(
    async () => {
      client = await NbdClient.connect(healing.server.unixUri('v1'));
      return true;
    },
    { what: 'the vdisk is served again', timeoutMs: 30_000 },
  );
  assert.equal(await read(0), 0x66, 'what was written while it was out is gone');
  await fill(0, 2, 0x78);
  await restartWithData(whole);
  await healing.untilHealed();
  assert.deepEqual([await read(0), await read(2)], [0x78, 0x66], 'the engine that came back decides');
  assert.equal((await incidentOf(address)).outcome, 'data-loss-accepted');
});
