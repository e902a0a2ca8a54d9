import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  CuttableLine,
  NbdClient,
  type TempDir,
  tempDir,
  testSeed,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';
import { command, type Incident, movesOf } from './odd-engine.ts';

/** Two servers use one pair of engines; the way of nbd-2 to the primary passes through a line that can fall silent. */
let healing: HealingStack;
let dir: TempDir;
let line: CuttableLine;
before(async () => {
  dir = tempDir('lines');
  const socketsOf = (server: string): string => dir.join(server, '{port}.sock');
  healing = await HealingStack.start({
    ...{ primaries: 1, slaves: 1, spares: 0, nbdServers: 2 },
    engineSocketsOf: socketsOf,
  });
  const { port } = healing.stack.engine('primary', 0);
  mkdirSync(dir.join('nbd-2'), { recursive: true });
  line = await CuttableLine.to(port, socketsOf('nbd-2').replace('{port}', String(port)));
  for (const vdisk of ['v1', 'v2']) await healing.createVdisk(vdisk);
});
after(async () => {
  await healing[Symbol.asyncDispose]();
  await line[Symbol.asyncDispose]();
  dir.remove();
});

const uriOf = (server: string, vdisk: string): string => healing.stack.nbdServer(server).unixUri(vdisk);

async function incidents(all: boolean): Promise<Incident[]> {
  const reply = await healing.bus.request('incident.list', { all });
  return [...reply.incidents].sort((a, b) => a.openedAt - b.openedAt);
}

test('a server whose network breaks for a moment while nobody writes: the engine is back at once, without a repair', async () => {
  const engine = healing.stack.engine('primary', 0);
  const [first, second] = [
    await NbdClient.connect(uriOf('nbd-1', 'v1')),
    await NbdClient.connect(uriOf('nbd-2', 'v2')),
  ];
  await first.write(0, Buffer.alloc(4096, 0x11));
  await second.write(0, Buffer.alloc(4096, 0x22));
  // The age of an engine is told in whole seconds: a very young one may have been restarted meanwhile.
  await until(async () => /uptime_in_seconds:[2-9]/.test(await command(engine, 'INFO', 'server')), {
    what: 'the engine has run',
    timeoutMs: 10_000,
  });
  line.disturb('silent');
  assert.equal((await second.read(0, 4096))[0], 0x22, 'read from the partner');
  line.mend();
  await until(async () => (await incidents(true)).length > 0, {
    what: 'the failure is an incident',
    timeoutMs: 30_000,
  });
  await healing.untilHealed();
  const [incident, ...more] = await incidents(true);
  assert.deepEqual(more, []);
  assert.equal(incident?.outcome, 'false-alarm', incident?.verdict?.reason);
  assert.deepEqual(movesOf(incident), ['online -> offline', 'offline -> online']);
  assert.match(incident.verdict?.reason ?? '', new RegExp(`^only nbd-2 found ${engine.address} failing`));
  for (const [client, byte] of [
    [first, 0x11],
    [second, 0x22],
  ] as const) {
    await client.write(4096, Buffer.alloc(4096, byte));
    assert.equal((await client.read(4096, 4096))[0], byte);
    await client.disconnect();
  }
});

test('a server whose network stays bad does not take the engine from the others: it goes on with the partner alone', async (t) => {
  const engine = healing.stack.engine('primary', 0);
  const loads = ['nbd-1', 'nbd-2'].map(
    (server, index) =>
      new VerifyingLoad({
        targets: uriOf(server, `v${index + 1}`),
        seed: testSeed(),
        firstBlock: 1_000,
        blockCount: 512,
        queueDepth: 4,
        requestsPerSecond: 200,
        readShare: 0.3,
      }),
  );
  const wrote = async (more: number): Promise<void> => {
    for (const load of loads) {
      const goal = load.stats.writesAcknowledged + more;
      await until(() => load.stats.writesAcknowledged >= goal, { what: 'writes go on', timeoutMs: 30_000 });
    }
  };
  for (const load of loads) await load.start();
  await wrote(50);
  const begunAt = performance.now();
  line.disturb('silent');
  await healing.untilStatus(engine.address, 'repair-tmp-outage');
  t.diagnostic(
    `the others have it back ${(performance.now() - begunAt).toFixed(0)} ms after the line fell silent`,
  );
  const modes = async (server: string): Promise<string[]> => {
    const reply = await healing.bus.request('nbdserver.status', {}, { instance: server });
    return reply.vdisks.flatMap(({ pairs }) => pairs.map(({ mode }) => mode));
  };
  await until(async () => (await modes('nbd-1')).includes('mirrored'), {
    what: 'v1 is repaired',
    timeoutMs: 20_000,
  });
  const [open] = await incidents(false);
  assert.equal(open?.verdict?.verdict, 'false_alarm', open?.verdict?.reason);
  const seen = new Map(open.verdict.evidence.map(({ observer, kind }) => [observer, kind]));
  assert.deepEqual([seen.get('nbd-1'), seen.get('nbd-2'), seen.get('')], ['healthy', 'hung', 'healthy']);
  const before = (await healing.transitions()).length;
  // Longer than it takes to find the engine failing, again and again.
  await wrote(400);
  assert.equal((await healing.transitions()).length, before, 'the engine stays where it is');
  assert.deepEqual([await modes('nbd-1'), await modes('nbd-2')], [['mirrored'], ['alone']]);

  for (const load of loads) {
    const { ioErrors, connectionsLost } = await load.stop();
    assert.deepEqual([ioErrors, connectionsLost], [0, 0]);
  }
  // The one with the bad network lets v2 go when nobody uses it; the other one repairs it.
  await healing.untilHealed();
  const [, load] = loads;
  assert.ok(load !== undefined);
  for (const [index, one] of loads.entries()) {
    const { blocksLost, details } = await one.verifyOverNbd(uriOf('nbd-1', `v${index + 1}`));
    assert.deepEqual([blocksLost, details], [0, []]);
  }
  line.mend();
});
