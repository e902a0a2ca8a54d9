import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BusEvent, RetryLater } from '@salvor/bus';
import { incidentKey, openStore } from '@salvor/config-store';
import type { CounterMetric } from '@salvor/service-kit';
import { type ReportsOptions, type reportTypes, takeReport } from '../src/reports.ts';
import { address, CoordinatedCluster } from './coordinated-cluster.ts';

type Report = BusEvent<(typeof reportTypes)[number]>;

class Desk {
  readonly counted: Record<string, string>[] = [];
  repairs = 0;
  readonly options: ReportsOptions;

  constructor({ store, log }: CoordinatedCluster) {
    const taken: CounterMetric = { add: (labels = {}) => void this.counted.push({ ...labels }) };
    this.options = { store, log, taken, onRepair: () => void this.repairs++, onTold: async () => {} };
  }

  take(type: Report['type'], id: string, payload: object): Promise<void> {
    return takeReport({ type, id, payload } as unknown as Report, this.options);
  }
}

const failure = (engine: string, changes: object = {}) => ({
  address: engine,
  reporter: 'nbd-1',
  reason: 'connection refused',
  source: 'nbd-server',
  detectedAt: Date.now() + 60_000,
  at: Date.now(),
  ...changes,
});

describe('a report', () => {
  it('of a failure opens one incident, however many report it and however often it is delivered', async () => {
    await using cluster = await CoordinatedCluster.start();
    const desk = new Desk(cluster);
    const engine = address('primary', 1);
    await Promise.all([
      ...['nbd-1', 'nbd-2', 'nbd-3'].map((reporter) =>
        desk.take(
          'engine.failure-reported',
          `event-${reporter}`,
          failure(engine, { reporter, cluster: 'p1' }),
        ),
      ),
      desk.take('engine.failure-reported', 'event-nbd-1', failure(engine)),
    ]);
    assert.equal((await cluster.serverOf('p1', 1)).status, 'offline');
    const incident = JSON.parse((await cluster.store.get(incidentKey('p1', 1)))?.value ?? '') as {
      history: object[];
    };
    assert.equal(incident.history.length, 1);
    const applied = desk.counted.filter(({ outcome }) => outcome === 'applied');
    assert.deepEqual(applied, [{ type: 'engine.failure-reported', outcome: 'applied' }]);
  });

  it('of a verdict moves the engine, with who judged it and on which evidence', async () => {
    await using cluster = await CoordinatedCluster.start();
    const desk = new Desk(cluster);
    const { incident } = await cluster.fail(address('primary', 0));
    const { id, attempt } = incident ?? assert.fail();
    await desk.take('engine.verdict-given', 'event-verdict', {
      cluster: 'p1',
      shard: 0,
      address: address('primary', 0),
      incident: id,
      attempt,
      verdict: 'temporary',
      reason: 'it answers',
      evidence: [{ kind: 'healthy', detail: 'PONG', at: 5 }],
      by: 'health-analyzer',
      at: 6,
    });
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');
    const { verdict } = JSON.parse((await cluster.store.get(incidentKey('p1', 0)))?.value ?? '') as {
      verdict: { by: string; evidence: object[] };
    };
    assert.deepEqual(
      [verdict.by, verdict.evidence],
      ['health-analyzer', [{ kind: 'healthy', detail: 'PONG', at: 5 }]],
    );
  });

  it('of a repair only makes the loop look: what counts is in etcd', async () => {
    await using cluster = await CoordinatedCluster.start();
    const desk = new Desk(cluster);
    await desk.take('repair.completed', 'event-repair', { kind: 'repair-tmp-outage', vdisk: 'v1' });
    assert.deepEqual([desk.repairs, desk.counted], [1, []]);
  });

  it('that is refused is done with, and is logged with the reason', async () => {
    await using cluster = await CoordinatedCluster.start();
    const desk = new Desk(cluster);
    await desk.take('engine.failure-reported', 'event-1', failure('10.9.9.9:1'));
    assert.deepEqual(desk.counted, [{ type: 'engine.failure-reported', outcome: 'refused' }]);
    const { level, fields } = await cluster.waitForLine('engine.failure-reported');
    assert.deepEqual([level, fields.code, fields.engine], ['info', 'unknown-address', '10.9.9.9:1']);
  });

  it('is kept for later while etcd does not answer', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.etcd.process.kill();
    const store = openStore({ endpoints: [cluster.etcd.endpoint], callTimeoutMs: 200 });
    try {
      const desk = new Desk(cluster);
      const event = { type: 'engine.failure-reported', id: 'event-1', payload: failure(address('slave', 0)) };
      await assert.rejects(
        takeReport(event as unknown as Report, { ...desk.options, store }),
        (error) => error instanceof RetryLater,
      );
      assert.deepEqual(desk.counted, []);
    } finally {
      store.close();
    }
  });
});
