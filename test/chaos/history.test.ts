import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { EngineLink, type Violation } from '@salvor/testkit';
import { runHistory } from '../history/run.ts';
import { brokenBy, runChaos } from './run.ts';

const FAULTS = [
  'server-killed',
  'engine-killed',
  'etcd-restarted',
  'server-paused',
  'engine-emptied',
] as const;
/** `SALVOR_HISTORY_OPERATIONS=120000` for a longer one. */
const operations = Number(process.env.SALVOR_HISTORY_OPERATIONS ?? 60_000);
const seed = Number(process.env.SALVOR_TEST_SEED ?? 20_261);

function tell(violations: readonly Violation[]): string {
  return violations
    .map(({ kind, device, block, reason }) => `${kind}: ${device} ${block}: ${reason}`)
    .join('\n');
}

describe('the history of many clients', () => {
  it('has an order that explains every read, over kills, pauses and restarts; nothing that was flushed is lost', async () => {
    const report = await runHistory({
      operations,
      seed,
      faultEveryMs: 2_000,
      faults: FAULTS,
      devices: 3,
      nbdServers: 2,
    });
    assert.equal(report.violationCount, 0, `seed ${seed}, ${report.artifacts}\n${tell(report.violations)}`);
    assert.equal(report.flushedLost, 0);
    assert.ok(report.operations >= operations);
    assert.ok(report.readsJudged > operations / 5, `${report.readsJudged} reads were judged`);
    for (const kind of FAULTS) assert.ok((report.faults[kind] ?? 0) >= 1, `no fault ${kind}`);
    assert.ok(report.indeterminate > 0, 'no write was left without an answer');
    assert.ok(report.copiesCompared > 1_000, `${report.copiesCompared} blocks were compared`);
  });

  it('is contradicted by a block that was changed behind the back of its owner', async () => {
    const report = await runHistory({
      operations: 20_000,
      seed,
      faultEveryMs: 1_000,
      faults: [],
      devices: 1,
      nbdServers: 1,
      spares: 0,
      beforeSweep: async (stack) => {
        using primary = await EngineLink.open(stack.engine('primary', 0).port);
        await primary.send('HSET', 'nondedup:h1', 4, 'not what was written there');
      },
    });
    const found = report.violations.map(({ kind, block }) => ({ kind, block }));
    assert.deepEqual(found, [
      { kind: 'damaged-sector', block: 4 },
      { kind: 'copies-differ', block: 4 },
    ]);
    assert.ok(report.artifacts !== null);
    rmSync(report.artifacts, { recursive: true });
  });

  it('has an order over a plan of faults that overlap, partitions and full disks among them; nothing is stuck afterwards', async () => {
    const report = await runChaos({ seed, minutes: 0.5, shards: 2, nbdServers: 2, devices: 3 });
    assert.deepEqual(brokenBy(report), [], `seed ${seed}, ${report.artifacts}\n${tell(report.violations)}`);
    const faults = Object.values(report.faults).reduce((sum, count) => sum + count, 0);
    assert.ok(faults >= 5, `${faults} faults took place`);
    // A slow machine gets less done in the time.
    assert.ok(report.readsJudged > 500, `${report.readsJudged} reads were judged`);
    assert.ok(report.copiesCompared > 100, `${report.copiesCompared} blocks were compared`);
    assert.ok(
      Object.values(report.peakMb).every((mb) => mb !== null && mb < 400),
      JSON.stringify(report.peakMb),
    );
  });
});
