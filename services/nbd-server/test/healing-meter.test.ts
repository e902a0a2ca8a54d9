import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createMetrics } from '@salvor/service-kit';
import { HealingMeter } from '../src/healing-meter.ts';
import type { MountState } from '../src/vdisk-exports.ts';

const about = { vdisk: 'v1', incident: 'p1-0-abc', attempt: 1, address: '10.100.0.1:22005' };

function underRepair(total: number, done: number): MountState {
  const { vdisk, ...repair } = about;
  const repairs = [{ ...repair, total, done, contentSteps: 0 }];
  return { vdisk, state: 'mounted', epoch: '1', users: 0, shards: [], repairs, log: null };
}

it('counts each block of a repair once, while it runs, in its later tries and at its end', async () => {
  const metrics = createMetrics();
  const meter = new HealingMeter(metrics);
  let states: MountState[] = [];
  meter.register(
    metrics,
    () => states,
    async () => 7,
  );
  const read = async (name: string) =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(await metrics.text())?.[1]);
  states = [underRepair(10, 4)];
  assert.equal(await read('salvor_repaired_blocks_total'), 4);
  assert.equal(await read('salvor_repair_blocks_left'), 6);
  states = [underRepair(6, 1)];
  assert.equal(
    await read('salvor_repaired_blocks_total'),
    5,
    'a try that begins anew counts from what is left',
  );
  states = [];
  meter.repairCompleted({
    ...{ ...about, cluster: 'p1', shard: 0, kind: 'repair-tmp-outage', reason: '' },
    ...{ dirtyBlocks: 6, copiedBlocks: 6, storedBlocks: 6, repairMs: 1_500 },
  });
  assert.equal(await read('salvor_repaired_blocks_total'), 10);
  assert.equal(await read('salvor_dirty_blocks'), 7);
  assert.match(
    await metrics.text(),
    /salvor_repair_duration_seconds_bucket\{le="5",kind="repair-tmp-outage"\} 1/,
  );
});
