import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addSpares, applyEngineStatus } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import type { JudgedOutage } from '../src/outage-judge.ts';
import { OutageWatch } from '../src/outage-watch.ts';
import { ProbedCluster } from './probed-cluster.ts';

it('an engine that comes back after its rebuild was begun is not waited for: the next spare takes over', async () => {
  await using cluster = await ProbedCluster.start({ hasPartner: true });
  const spare = '127.0.0.1:1';
  const added = await addSpares(
    cluster.store,
    { cluster: 'p1', spares: [{ address: spare, db: 0 }] },
    { operation: 'spare', by: 'test' },
  );
  assert.equal(added.outcome, 'applied', added.reason);
  const first = await cluster.reportFailure('report-1');
  assert.equal((await cluster.giveVerdict(first, 'permanent')).code, 'moved');
  const failed = await applyEngineStatus(cluster.store, {
    kind: 'failure-reported',
    address: spare,
    reporter: 'nbd-1',
    reason: 'connection refused',
    detectedAt: Date.now() + 60_000,
    operation: 'report-2',
  });
  assert.equal(failed.incident?.attempt, 2, failed.reason);

  const judged: JudgedOutage[] = [];
  const watch = new OutageWatch({
    store: cluster.store,
    policy: { healthyProbes: 2, permanentAfterMs: 3_600_000 },
    probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
    probeIntervalMs: 10,
    repeatAfterMs: 50,
    announce: async (one) => {
      judged.push(one);
    },
    log: silentLogger,
  });
  await watch.start();
  try {
    await until(() => judged.length > 0, { what: 'a verdict', timeoutMs: 10_000 });
  } finally {
    watch.stop();
  }
  const [verdict] = judged;
  assert.equal(
    verdict?.verdict,
    'permanent',
    'no other verdict would be accepted, so the incident would hang',
  );
  assert.match(verdict?.reason ?? '', /rebuild was begun/);
});
