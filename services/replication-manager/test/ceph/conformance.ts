/** The conformance suite of replication drivers, against two real Ceph clusters: `npm run test:rbd`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type ConformanceStage,
  finish,
  replicationDriverConformance,
  untilStatus,
} from '../drivers/driver-conformance.ts';
import { type CephPair, commandStage, driverStage, startCephPair } from './ceph-stage.ts';

let pair: CephPair;

before(async () => {
  pair = await startCephPair();
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
  const { north, south } = stage;
  const model = Array.from({ length: stage.blocks }, () => 0);
  let order = 0;
  const id = (): string => `journal-${++order}`;
  for (const zone of [north, south]) {
    const enabled = await finish(
      stage,
      zone,
      (driver, each) => driver.enable(each, { mode: 'instant' }),
      id(),
    );
    assert.equal(enabled.state, 'done', enabled.reason);
  }
  for (const [from, to] of [
    [north, south],
    [south, north],
  ] as const) {
    for (let i = 0; i < 4; i++) {
      const [block, value] = [(order + 3 * i) % stage.blocks, 1 + ((order * 7 + i) % 200)];
      assert.ok(await from.write(block, value));
      model[block] = value;
    }
    await untilStatus(stage, to, ({ status }) => status === 'active - secondary');
    const demoted = await finish(stage, from, (driver, each) => driver.demote(each), id());
    assert.equal(demoted.state, 'done', demoted.reason);
    const promoted = await finish(stage, to, (driver, each) => driver.promote(each, { force: false }), id());
    assert.equal(promoted.state, 'done', promoted.reason);
    assert.deepEqual(await to.content(), model);
  }
});
