/** The conformance suite of replication drivers, against two real Ceph clusters: `npm run test:rbd`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type ConformanceStage,
  finish,
  replicationDriverConformance,
  type StageZone,
  untilStatus,
} from '../drivers/driver-conformance.ts';
import { applyPlan, completedRun, untilPlan } from '../rbd-volumes/plan-runs.ts';
import { VOLUME } from '../rbd-volumes/rbd-bus-stage.ts';
import { type CephPair, commandStage, driverStage, startCephPair } from './ceph-stage.ts';
import { timedAs } from './step-times.ts';

const RUN_TIMEOUT_MS = 600_000;
const STEP_SECONDS = 300;
let pair: CephPair;

before(async () => {
  pair = await timedAs('two clusters are made and paired', startCephPair);
});
after(async () => pair?.[Symbol.asyncDispose]());

replicationDriverConformance(
  'rbd, two Ceph clusters',
  (): Promise<ConformanceStage> => driverStage(pair, 'img'),
);
replicationDriverConformance(
  'rbd by commands, two Ceph clusters',
  (): Promise<ConformanceStage> => commandStage(pair, 'ordered'),
);

test('rbd by journal, two Ceph clusters: a planned failover and the way back lose nothing', async () => {
  const stage = await driverStage(pair, 'journaled', 'instant');
  await enabled(stage);
  const written = new Written(stage);
  for (const [from, to] of [
    [stage.north, stage.south],
    [stage.south, stage.north],
  ] as const) {
    await written.more(from);
    await to.untilLevel();
    const demoted = await finish(stage, from, (driver, each) => driver.demote(each));
    assert.equal(demoted.state, 'done', demoted.reason);
    const promoted = await finish(stage, to, (driver, each) => driver.promote(each, { force: false }));
    assert.equal(promoted.state, 'done', promoted.reason);
    await written.assertIn(to);
  }
});

for (const mode of ['instant', 'one-time'] as const)
  test(`rbd by commands, ${mode}, two Ceph clusters: a recovery plan brings a volume to the other zone and back, and loses nothing`, async () => {
    const stage = await commandStage(pair, `planned-${mode}`, mode);
    try {
      const { sides, north, south } = stage;
      await enabled(stage);
      await south.untilLevel();
      await applyPlan(sides.north, 'shop', [VOLUME], STEP_SECONDS);
      await untilPlan(sides.south, 'shop', RUN_TIMEOUT_MS);
      const run = (zone: 'north' | 'south', kind: string): Promise<unknown> =>
        timedAs(`${zone}: plan run --${kind}`, () => completedRun(sides[zone], 'shop', kind, RUN_TIMEOUT_MS));
      if (mode === 'one-time') {
        await run('south', 'test');
        await run('south', 'cleanup');
      }
      const written = new Written(stage);
      await written.more(north);
      await run('south', 'planned');
      await written.assertIn(south);
      await written.more(south);
      await run('north', 'planned');
      await written.assertIn(north);
    } finally {
      await stage.close();
    }
  });

async function enabled(stage: ConformanceStage): Promise<void> {
  for (const zone of [stage.north, stage.south]) {
    const end = await finish(stage, zone, (driver, each) => driver.enable(each, { mode: stage.mode }));
    assert.equal(end.state, 'done', end.reason);
  }
  await untilStatus(stage, stage.south, ({ role }) => role === 'secondary');
}

/** What clients have written, which is what they have to read. */
class Written {
  readonly #blocks: number[];
  #last = 0;

  constructor({ blocks }: Pick<ConformanceStage, 'blocks'>) {
    this.#blocks = Array.from({ length: blocks }, () => 0);
  }

  async more(zone: StageZone): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const block = (this.#last * 3) % this.#blocks.length;
      assert.ok(await zone.write(block, ++this.#last));
      this.#blocks[block] = this.#last;
    }
  }

  async assertIn(zone: StageZone): Promise<void> {
    assert.deepEqual(await zone.content(), this.#blocks);
  }
}
