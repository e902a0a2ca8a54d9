import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INCIDENTS_PREFIX, incidentKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { killEngine, restartEmpty, restartWithData, until } from '@salvor/testkit';
import type { JudgedOutage, OutageJudgeOptions } from '../src/outage-judge.ts';
import { OutageWatch } from '../src/outage-watch.ts';
import { verdictEvent } from '../src/verdict-event.ts';
import { ProbedCluster } from './probed-cluster.ts';

/** An analyzer whose announcements are kept, probing fast. */
class Analyzer implements Disposable {
  readonly judged: JudgedOutage[] = [];
  readonly #watch: OutageWatch;

  private constructor(cluster: ProbedCluster, changes: Partial<OutageJudgeOptions>) {
    this.#watch = new OutageWatch({
      store: cluster.store,
      policy: { healthyProbes: 2, permanentAfterMs: 3_600_000 },
      probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
      probeIntervalMs: 10,
      repeatAfterMs: 50,
      announce: async (judged) => {
        this.judged.push(judged);
      },
      log: silentLogger,
      ...changes,
    });
  }

  static async start(cluster: ProbedCluster, changes: Partial<OutageJudgeOptions> = {}): Promise<Analyzer> {
    const analyzer = new Analyzer(cluster, changes);
    await analyzer.#watch.start();
    return analyzer;
  }

  get active(): number {
    return this.#watch.activeCount;
  }

  async waitForVerdicts(count: number): Promise<void> {
    await until(() => this.judged.length >= count, { what: `${count} verdicts`, timeoutMs: 10_000 });
  }

  async waitUntilIdle(): Promise<void> {
    await until(() => this.active === 0, { what: 'no outage to be probed', timeoutMs: 10_000 });
  }

  [Symbol.dispose](): void {
    this.#watch.stop();
  }
}

describe('the outage watch', () => {
  it('judges an engine that is back with its data temporary, with evidence, again and again until it moves on', async () => {
    await using cluster = await ProbedCluster.start();
    using analyzer = await Analyzer.start(cluster);
    assert.equal(analyzer.active, 0);
    const incident = await cluster.reportFailure('report-1');
    await analyzer.waitForVerdicts(3);
    const [first, second] = analyzer.judged;
    assert.deepEqual([first?.incident.id, first?.verdict, first?.given], [incident.id, 'temporary', 1]);
    assert.deepEqual(
      first?.evidence.map(({ kind }) => kind),
      ['healthy', 'healthy'],
    );
    assert.equal(second?.given, 2);
    const ids = analyzer.judged.map((judged) => verdictEvent(judged, 'observer', 1).id);
    assert.equal(new Set(ids).size, ids.length, 'each is heard as an event of its own');

    assert.equal((await cluster.giveVerdict(incident, 'temporary')).outcome, 'applied');
    await analyzer.waitUntilIdle();
  });

  it('judges an engine that is back empty permanent, and goes on while there is nothing to rebuild it from', async () => {
    await using cluster = await ProbedCluster.start();
    using analyzer = await Analyzer.start(cluster);
    await restartEmpty(cluster.engine);
    const incident = await cluster.reportFailure('report-1');
    await analyzer.waitForVerdicts(1);
    assert.equal(analyzer.judged[0]?.verdict, 'permanent');
    assert.match(analyzer.judged[0]?.reason ?? '', /lost its identity/);
    assert.equal((await cluster.giveVerdict(incident, 'permanent')).code, 'waiting-for-source');
    await analyzer.waitForVerdicts(analyzer.judged.length + 2);
  });

  it('waits for a dead engine, and judges it when it is back or after too long', async () => {
    await using cluster = await ProbedCluster.start();
    await killEngine(cluster.engine);
    const { openedAt } = await cluster.reportFailure('report-1');
    let now = openedAt;
    const probe = { timeoutMs: 1_000, observer: 'test', now: () => now };
    const policy = { healthyProbes: 2, permanentAfterMs: 60_000 };
    using analyzer = await Analyzer.start(cluster, { probe, policy, repeatAfterMs: 3_600_000 });
    await until(() => analyzer.active === 1, { what: 'the outage to be probed', timeoutMs: 5_000 });
    now = openedAt + 60_000;
    await analyzer.waitForVerdicts(1);
    assert.match(analyzer.judged[0]?.reason ?? '', /unusable for 60000 ms.*cannot be reached/);

    using other = await Analyzer.start(cluster);
    await restartWithData(cluster.engine);
    await other.waitForVerdicts(1);
    assert.equal(other.judged[0]?.verdict, 'temporary');
    assert.deepEqual(
      analyzer.judged.map(({ verdict }) => verdict),
      ['permanent'],
    );
  });

  it('needs as many healthy probes as it is told, however many that are', async () => {
    await using cluster = await ProbedCluster.start();
    const policy = { healthyProbes: 12, permanentAfterMs: 3_600_000 };
    using analyzer = await Analyzer.start(cluster, { policy });
    await cluster.reportFailure('report-1');
    await analyzer.waitForVerdicts(1);
    assert.equal(analyzer.judged[0]?.verdict, 'temporary');
    assert.match(analyzer.judged[0]?.reason ?? '', /12 probes in a row/);
  });

  it('gives a verdict again that could not be announced', async () => {
    await using cluster = await ProbedCluster.start();
    let failures = 3;
    const heard: number[] = [];
    using _analyzer = await Analyzer.start(cluster, {
      announce: async ({ given }) => {
        if (failures-- > 0) throw new Error('no bus');
        heard.push(given);
      },
    });
    await cluster.reportFailure('report-1');
    await until(() => heard.length > 0, { what: 'the verdict to be heard', timeoutMs: 10_000 });
  });

  it('that is started again finds what is to be judged, also a new attempt of the same incident', async () => {
    await using cluster = await ProbedCluster.start();
    {
      using first = await Analyzer.start(cluster, {
        policy: { healthyProbes: 1_000, permanentAfterMs: 1e9 },
      });
      await cluster.reportFailure('report-1');
      await until(() => first.active === 1, { what: 'the outage to be probed', timeoutMs: 5_000 });
    }
    using second = await Analyzer.start(cluster);
    await second.waitForVerdicts(1);
    const [judged] = second.judged;
    assert.equal(judged?.incident.attempt, 1);
    await cluster.giveVerdict(judged.incident, 'temporary');
    await second.waitUntilIdle();

    await cluster.reportFailure('report-2');
    await until(() => second.judged.at(-1)?.incident.attempt === 2, {
      what: 'attempt 2 to be judged',
      timeoutMs: 5_000,
    });
    assert.equal(second.judged.at(-1)?.given, 1);
  });

  it('goes on where it was when etcd is back after a kill', async () => {
    await using cluster = await ProbedCluster.start();
    using analyzer = await Analyzer.start(cluster);
    await cluster.reportFailure('report-1');
    await analyzer.waitForVerdicts(1);
    await cluster.etcd.process.kill();
    await cluster.etcd.process.start();
    const before = analyzer.judged.length;
    await analyzer.waitForVerdicts(before + 2);
    const incident = analyzer.judged[0]?.incident ?? assert.fail('nothing judged');
    await until(async () => (await cluster.giveVerdict(incident, 'temporary')).outcome === 'applied', {
      what: 'the verdict to be applied',
      timeoutMs: 10_000,
    });
    await analyzer.waitUntilIdle();
  });

  it('is not stopped by a record that it cannot read', async () => {
    await using cluster = await ProbedCluster.start();
    const bad = `${INCIDENTS_PREFIX}p9/0`;
    await cluster.store.transact({ compare: [], puts: [{ key: bad, value: '{"id":7' }] });
    using analyzer = await Analyzer.start(cluster);
    await cluster.reportFailure('report-1');
    await analyzer.waitForVerdicts(1);
    assert.equal(analyzer.judged[0]?.incident.cluster, 'p1');
    assert.ok((await cluster.store.get(incidentKey('p1', 0))) !== null);
  });
});
