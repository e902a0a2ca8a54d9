import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { killEngine, restartWithData, SeededRandom, until, VerifyingLoad } from '@salvor/testkit';
import { HealingStack } from '../e2e/healing-stack.ts';

/** Every part but the engine that is being healed. log-watcher starts the NBD server again by itself. */
const VICTIMS = [
  'nbd-server',
  'log-watcher',
  'health-analyzer',
  'repair-coordinator',
  'nats-server',
  'etcd',
] as const;
export type Victim = (typeof VICTIMS)[number];
/** Runs of each; `SALVOR_KILL_SEEDS=20` for more of them. */
const SEEDS = Number(process.env.SALVOR_KILL_SEEDS ?? 1);
/** Each run has blocks of its own, so that its model starts from zeros. */
const BLOCKS = 2_048;

/** Tests that kill this one somewhere in the healing of an engine, one seed after the other, on one stack under a load that verifies. */
export function killSomewhereInTheLoop(victim: Victim): void {
  let healing: HealingStack;
  let uri: string;
  before(async () => {
    healing = await HealingStack.start({
      ...{ primaries: 2, slaves: 2, spares: 0 },
      // A vdisk comes back once the lease of its killed owner has run out.
      nbdServerEnv: { SALVOR_LEASE_TTL_SECONDS: '5' },
      // Engines fail far more often here than where somebody would look at one that flaps.
      services: {
        'repair-coordinator': { env: { SALVOR_FLAPPING_FAILURES: '0' } },
        // And the server is killed more often than one that is waited for longer and longer.
        'log-watcher': { env: { SALVOR_RESTART_MAX_MS: '400' } },
      },
    });
    uri = await healing.createVdisk('v1');
  });
  after(async () => {
    await healing[Symbol.asyncDispose]();
  });

  const v = VICTIMS.indexOf(victim);
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`seed ${seed}: ${victim} is killed somewhere in the loop, and it still ends online with nothing lost`, async () => {
      const random = new SeededRandom(1_000 * v + seed);
      const load = new VerifyingLoad({
        targets: uri,
        seed,
        firstBlock: (SEEDS * v + seed - 1) * BLOCKS,
        blockCount: BLOCKS,
        queueDepth: 4,
        requestsPerSecond: 400,
        readShare: 0.25,
      });
      await load.start();
      await until(() => load.stats.writesAcknowledged >= 100, {
        what: 'the load is under way',
        timeoutMs: 60_000,
      });
      const engine = healing.stack.engine(random.below(2) === 0 ? 'primary' : 'slave', random.below(2));
      const events = [
        { at: 0, run: () => killEngine(engine) },
        { at: 100 + random.below(600), run: () => restartWithData(engine) },
        { at: random.below(1_200), run: () => killAndRestart(healing, victim, random.below(400)) },
      ];
      await playOut(events);
      await healing.untilHealed(90_000);
      const acknowledged = load.stats.writesAcknowledged;
      await until(() => load.stats.writesAcknowledged >= acknowledged + 50, {
        what: 'the load goes on',
        timeoutMs: 60_000,
      });
      const stats = await load.stop();
      const { blocksLost, details } = await load.verifyOverNbd();
      assert.deepEqual(
        { blocksLost, details, ioErrors: stats.ioErrors },
        { blocksLost: 0, details: [], ioErrors: 0 },
      );
      // A tail that the engine lost may have been noticed only after it seemed healed.
      await healing.untilHealed(90_000);
      assert.equal(await healing.engineStatus(engine.address), 'online');
    });
  }
}

/** Carries out each event at its time, in milliseconds from now. */
async function playOut(events: readonly { at: number; run: () => Promise<void> }[]): Promise<void> {
  const startedAt = performance.now();
  await Promise.all(
    events.map(async ({ at, run }) => {
      await until(() => performance.now() - startedAt >= at, {
        what: 'its time comes',
        timeoutMs: at + 5_000,
        intervalMs: 5,
      });
      await run();
    }),
  );
}

async function killAndRestart({ stack }: HealingStack, victim: Victim, awayMs: number): Promise<void> {
  if (victim === 'nbd-server') {
    await stack.nbdServer().kill('SIGKILL');
    return;
  }
  const process =
    victim === 'nats-server'
      ? stack.nats.process
      : victim === 'etcd'
        ? stack.etcd.process
        : stack.service(victim);
  await process.kill('SIGKILL');
  const downAt = performance.now();
  await until(() => performance.now() - downAt >= awayMs, {
    what: 'it was away',
    timeoutMs: awayMs + 5_000,
    intervalMs: 5,
  });
  await process.start();
}
