import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addSpares, clusterStorageKey, salvorClusterKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { killEngine, until } from '@salvor/testkit';
import { EngineSweep, type EngineSweepOptions, type SweepReport } from '../src/engine-sweep.ts';
import { ProbedCluster } from './probed-cluster.ts';

async function sweepOnce(
  cluster: ProbedCluster,
  askOthers?: EngineSweepOptions['askOthers'],
): Promise<SweepReport[]> {
  const reports: SweepReport[] = [];
  const sweep = new EngineSweep({
    store: cluster.store,
    probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
    intervalMs: 3_600_000,
    findingsNeeded: 1,
    report: async (failure) => {
      reports.push(failure);
    },
    ...(askOthers === undefined ? {} : { askOthers }),
    log: silentLogger,
  });
  await sweep.sweep();
  await sweep.stop();
  return reports;
}

it('a spare that dies while it is rebuilt is reported, though nobody uses it', async () => {
  await using cluster = await ProbedCluster.start({ hasPartner: true });
  const spares = [{ address: '127.0.0.1:1', db: 0 }];
  await addSpares(cluster.store, { cluster: 'p1', spares }, { operation: 'spare', by: 'test' });
  const incident = await cluster.reportFailure('report-1');
  assert.deepEqual(await sweepOnce(cluster), [], 'an engine that is down already is judged, not reported');
  assert.equal((await cluster.giveVerdict(incident, 'permanent')).code, 'moved');
  const reports = await sweepOnce(cluster);
  assert.deepEqual(
    reports.map(({ address }) => address),
    ['127.0.0.1:1'],
  );
});

it('an engine that dies again while it is repaired is reported, though nobody uses it', async () => {
  await using cluster = await ProbedCluster.start();
  const incident = await cluster.reportFailure('report-1');
  assert.equal((await cluster.giveVerdict(incident, 'temporary')).code, 'moved');
  assert.deepEqual(await sweepOnce(cluster), []);
  await killEngine(cluster.engine);
  assert.equal((await sweepOnce(cluster)).length, 1);
});

it('a cluster with a bad configuration does not hide the engines of the others', async () => {
  await using cluster = await ProbedCluster.start();
  const puts = [
    { key: salvorClusterKey('a0'), value: '{"status":7' },
    { key: clusterStorageKey('a0'), value: 'servers: 7' },
  ];
  await cluster.store.transact({ compare: [], puts });
  await killEngine(cluster.engine);
  assert.equal((await sweepOnce(cluster)).length, 1);
});

it('an engine that a server finds well is not reported: the fault is here', async () => {
  await using cluster = await ProbedCluster.start();
  await killEngine(cluster.engine);
  const says =
    (role: 'server' | 'analyzer', kind: 'healthy' | 'unreachable'): EngineSweepOptions['askOthers'] =>
    async ({ address }, told) =>
      told({ observer: 'nbd-1', role, kind, detail: `${address} is ${kind}`, at: 1, vdisks: [] });
  assert.deepEqual(await sweepOnce(cluster, says('server', 'healthy')), []);
  assert.equal((await sweepOnce(cluster, says('server', 'unreachable'))).length, 1);
  assert.equal((await sweepOnce(cluster, says('analyzer', 'healthy'))).length, 1);
  const noBus = async (): Promise<void> => Promise.reject(new Error('no bus'));
  assert.equal((await sweepOnce(cluster, noBus)).length, 1, 'who cannot ask reports what it sees');
});

it('an engine that ends its links is looked at soon, not at the next sweep', async () => {
  await using cluster = await ProbedCluster.start();
  const reports: SweepReport[] = [];
  const sweep = new EngineSweep({
    store: cluster.store,
    probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
    intervalMs: 3_600_000,
    findingsNeeded: 1,
    report: async (failure) => {
      reports.push(failure);
    },
    log: silentLogger,
  });
  sweep.start();
  await sweep.sweep();
  await killEngine(cluster.engine);
  await until(() => reports.length === 1, { what: 'the report', timeoutMs: 10_000 });
  await sweep.stop();
  assert.equal(reports[0]?.address, cluster.engine.address);
});
