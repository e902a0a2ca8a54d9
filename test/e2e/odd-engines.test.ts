import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { EngineLink, killEngine, until } from '@salvor/testkit';
import { type Refusal, type RefusalName, refusals } from './engine-refusals.ts';
import { HealingStack } from './healing-stack.ts';
import { command, movesOf, OddEngineStage, temporaryOutage } from './odd-engine.ts';

let healing: HealingStack;
let stage: OddEngineStage;
before(async () => {
  healing = await HealingStack.start({ primaries: 2, slaves: 2, spares: 0 });
  stage = new OddEngineStage(healing, 'v1', await healing.createVdisk('v1'));
});
after(async () => {
  await healing[Symbol.asyncDispose]();
});

test('an engine that hangs is left out, and is repaired when it goes on', async (t) => {
  const engine = healing.stack.engine('primary', 0);
  await stage.underLoad(t, async (scene) => {
    await scene.wrote(100);
    await scene.fails(engine, () => engine.process.pause());
    await scene.untilProbed(engine, 'hung');
    await scene.wrote(100);
    const incident = await scene.heals(engine, () => engine.process.resume());
    assert.equal(incident.verdict?.verdict, 'temporary');
    assert.deepEqual(movesOf(incident), temporaryOutage);
    assert.match(incident.reporters[0]?.reason ?? '', /gave no reply within 1500 ms/);
  });
});

test('an engine that is slow stays in service: nothing is reported', async (t) => {
  const engine = healing.stack.engine('slave', 0);
  const before = (await healing.transitions()).length;
  await stage.underLoad(t, async (scene) => {
    using link = await EngineLink.open(engine.port);
    // Each answers when the pause before it is over.
    for (let pauses = 0; pauses < 12; pauses++) await link.send('CLIENT', 'PAUSE', '200', 'ALL');
    await scene.wrote(20);
    t.diagnostic(`the slowest write took ${scene.load.stats.longestWriteMs.toFixed(0)} ms`);
  });
  assert.equal((await healing.transitions()).length, before);
  assert.equal(await healing.engineStatus(engine.address), 'online');
});

const refusing = [
  'cannot save its data (MISCONF)',
  'is out of memory (OOM)',
  'lacks the replicas it was told to need (NOREPLICAS)',
  'was made a read-only replica (READONLY)',
  'wants a password that nobody knows (NOAUTH)',
] as const satisfies readonly RefusalName[];

for (const what of refusing) {
  const { at, reply, begin, end }: Refusal = refusals[what];
  test(`an engine that ${what} is left out while it takes no writes, and repaired when it does`, async (t) => {
    const engine = healing.stack.engine(...at);
    await stage.underLoad(t, async (scene) => {
      await scene.wrote(50);
      await scene.fails(engine, async () => void (await begin(engine)));
      assert.match(await scene.untilProbed(engine, 'refuses-commands'), reply);
      await scene.wrote(50);
      const incident = await scene.heals(engine, async () => void (await end(engine)));
      assert.equal(incident.verdict?.verdict, 'temporary');
      assert.deepEqual(movesOf(incident), temporaryOutage);
      assert.match(incident.reporters[0]?.reason ?? '', reply);
    });
  });
}

test('an engine that is loading its data is waited for, whatever it does not show yet', async (t) => {
  const engine = healing.stack.engine('primary', 1);
  const { args, ready = () => true } = engine.process.spec;
  using link = await EngineLink.open(engine.port);
  await Promise.all(Array.from({ length: 4_000 }, () => link.send('INCR', 'loaded-slowly')));
  await stage.underLoad(t, async (scene) => {
    await scene.wrote(50);
    await scene.fails(engine, () => killEngine(engine));
    const slowly = ['--key-load-delay', '400', '--loading-process-events-interval-bytes', '1024'];
    const incident = await scene.heals(engine, async () => {
      await engine.process.start({ args: [...args, ...slowly], ready: () => true });
      await scene.untilProbed(engine, 'loading');
      assert.equal((await scene.latestIncident(engine)).verdict, undefined);
    });
    assert.equal(incident.verdict?.verdict, 'temporary');
    assert.deepEqual(movesOf(incident), temporaryOutage);
    await scene.fails(engine, () => killEngine(engine));
    await scene.heals(engine, () => engine.process.start({ args, ready }));
  });
});

test('two engines that answer in each other’s place are never used, and repaired once they are back in theirs', async (t) => {
  const [first, second] = [healing.stack.engine('primary', 0), healing.stack.engine('primary', 1)];
  const swap = async (): Promise<void> => {
    for (const engine of [first, second]) if (engine.process.running) await killEngine(engine);
    renameSync(first.dataDir, `${first.dataDir}.aside`);
    renameSync(second.dataDir, first.dataDir);
    renameSync(`${first.dataDir}.aside`, second.dataDir);
    for (const engine of [first, second]) await engine.process.start();
  };
  await stage.underLoad(t, async (scene) => {
    await scene.wrote(50);
    await scene.fails(first, swap);
    await healing.untilStatus(second.address, 'offline');
    for (const engine of [first, second]) {
      await until(async () => (await scene.latestIncident(engine)).verdict?.verdict === 'permanent', {
        what: `${engine.name} is found to be another engine`,
        timeoutMs: 30_000,
      });
    }
    await scene.wrote(50);
    await scene.heals(first, swap);
    for (const engine of [first, second]) {
      const incident = await scene.latestIncident(engine);
      assert.equal(incident.verdict?.verdict, 'temporary');
      assert.deepEqual(movesOf(incident), temporaryOutage);
    }
  });
});

test('an engine that stays away is restarted by a command, and repaired', async (t) => {
  const engine = healing.stack.engine('slave', 1);
  const { command: program, args } = engine.process.spec;
  const analyzer = healing.stack.service('health-analyzer');
  const { env } = analyzer.spec;
  const restarting = {
    SALVOR_RESTART_DRIVER: 'exec',
    SALVOR_RESTART_COMMAND: JSON.stringify({
      [engine.address]: [program, ...args, '--daemonize', 'yes'],
      '*': ['false'],
    }),
    SALVOR_RESTART_AFTER_MS: '500',
  };
  await analyzer.restart({ env: { ...env, ...restarting } });
  try {
    await stage.underLoad(t, async (scene) => {
      await scene.wrote(50);
      await scene.fails(engine, () => killEngine(engine));
      const incident = await scene.heals(engine, () => undefined);
      assert.equal(incident.verdict?.verdict, 'temporary');
      assert.deepEqual(movesOf(incident), temporaryOutage);
      const evidence = incident.verdict?.evidence.map(({ kind }) => kind) ?? [];
      assert.equal(evidence.filter((kind) => kind === 'restarted').length, 1, evidence.join(', '));
    });
  } finally {
    await analyzer.restart(env === undefined ? {} : { env });
    // Nobody else knows of the process that the command left. It answers by closing the connection.
    await command(engine, 'SHUTDOWN', 'NOSAVE').catch(() => undefined);
  }
  const isStarted = (): Promise<boolean> => engine.process.start().then(() => true);
  await until(isStarted, { what: `${engine.name} is its own process again`, timeoutMs: 30_000 });
  await healing.untilHealed();
});

test('an engine that fails again and again is held offline until somebody has looked, and repaired then', async (t) => {
  const engine = healing.stack.engine('primary', 0);
  const coordinator = healing.stack.service('repair-coordinator');
  const { env } = coordinator.spec;
  await coordinator.restart({ env: { ...env, SALVOR_FLAPPING_FAILURES: '4' } });
  let verdicts = 0;
  const watch = healing.bus.watchEvents({
    types: ['engine.verdict-given'],
    handler: ({ payload }) => {
      if (payload.address === engine.address) verdicts++;
    },
  });
  try {
    await stage.underLoad(t, async (scene) => {
      await scene.wrote(50);
      const isHeld = async (): Promise<boolean> => (await scene.latestIncident(engine)).hold !== undefined;
      let failures = 0;
      do {
        failures++;
        await scene.fails(engine, () => killEngine(engine));
        await engine.process.start();
        await until(
          async () => (await isHeld()) || (await healing.engineStatus(engine.address)) === 'online',
          {
            what: 'the engine is back, or held',
            timeoutMs: 30_000,
          },
        );
      } while (!(await isHeld()) && failures < 5);
      const held = await scene.latestIncident(engine);
      assert.equal(held.hold?.kind, 'flapping', `after ${failures} failures`);
      await scene.untilProbed(engine, 'healthy');
      const before = verdicts;
      await until(() => verdicts > before, { what: 'it is judged well once more', timeoutMs: 20_000 });
      assert.equal(await healing.engineStatus(engine.address), 'offline');
      await scene.wrote(50);
      const request = { incident: held.incident, by: 'alice', reason: 'the power supply was replaced' };
      const incident = await scene.heals(engine, async () => {
        await healing.bus.request('incident.acknowledge', request);
      });
      assert.equal(incident.incident, held.incident);
      assert.equal(incident.verdict?.verdict, 'temporary');
      assert.deepEqual(movesOf(incident), temporaryOutage);
    });
  } finally {
    await watch.stop();
    await coordinator.restart(env === undefined ? {} : { env });
  }
});
