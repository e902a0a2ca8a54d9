import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  applyHealingControl,
  formatRecord,
  type HealingControlInput,
  type IncidentRecord,
  incidentKey,
  incidentSchema,
  parseRecord,
  type RestartAttempt,
  restartsKey,
  restartsSchema,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { EngineLink, killEngine, until } from '@salvor/testkit';
import type { JudgedOutage } from '../../src/outage-judge.ts';
import { OutageWatch } from '../../src/outage-watch.ts';
import { EngineRestarts, type EngineRestartsOptions } from '../../src/restart/engine-restarts.ts';
import { ExecDriver } from '../../src/restart/exec-driver.ts';
import { RestartError } from '../../src/restart/restart-driver.ts';
import { withheld } from '../../src/restart/withheld.ts';
import { ProbedCluster } from '../probed-cluster.ts';

const away = ['unreachable', 'unreachable'].map((kind) => ({
  kind: kind as 'unreachable',
  detail: 'gone',
  at: 1,
}));

function restartsOf(cluster: ProbedCluster, changes: Partial<EngineRestartsOptions>): EngineRestarts {
  return new EngineRestarts({
    store: cluster.store,
    driver: { name: 'exec', restart: async () => 'restarted' },
    policy: { afterMs: 0, attemptsMax: 3, backoffMs: 1_000 },
    timeoutMs: 10_000,
    by: 'analyzer-1',
    now: () => Date.now(),
    withheld: (incident) => withheld(cluster.store, incident, Date.now()),
    attempted: () => undefined,
    log: silentLogger,
    ...changes,
  });
}

async function onRecord(cluster: ProbedCluster): Promise<RestartAttempt[]> {
  const key = restartsKey('p1', 0);
  const entry = await cluster.store.get(key);
  return entry === null ? [] : parseRecord(restartsSchema, key, entry.value).attempts;
}

const outage = (incident: IncidentRecord) => ({ incident, offlineSince: incident.openedAt, findings: away });

describe('restarts of an engine that stays away', () => {
  it('are made once, however many analyzers look', async () => {
    await using cluster = await ProbedCluster.start();
    await killEngine(cluster.engine);
    const incident = await cluster.reportFailure('report-1');
    let made = 0;
    const driver = {
      name: 'exec' as const,
      restart: async () => {
        made++;
        return 'restarted';
      },
    };
    const policy = { afterMs: 0, attemptsMax: 3, backoffMs: 3_600_000 };
    const analyzers = ['a', 'b', 'c', 'd'].map((by) => restartsOf(cluster, { by, driver, policy }));
    for (let looks = 0; looks < 5; looks++)
      await Promise.all(analyzers.map((analyzer) => analyzer.consider(outage(incident))));
    await Promise.all(analyzers.map((analyzer) => analyzer.stop()));
    assert.equal(made, 1);
    assert.deepEqual(
      (await onRecord(cluster)).map(({ number, outcome }) => [number, outcome]),
      [[1, 'done']],
    );
  });

  it('that fail are on record with what went wrong, and are tried again later', async () => {
    await using cluster = await ProbedCluster.start();
    await killEngine(cluster.engine);
    const incident = await cluster.reportFailure('report-1');
    let now = incident.openedAt;
    const outcomes: string[] = [];
    const driver = {
      name: 'exec' as const,
      restart: async () => Promise.reject(new RestartError('restart-failed', 'no such unit')),
    };
    const options = { driver, now: () => now, attempted: (outcome: string) => void outcomes.push(outcome) };
    const restarts = restartsOf(cluster, options);
    const attempt = async (expected: number): Promise<void> => {
      await restarts.consider(outage(incident));
      await until(() => outcomes.length === expected, {
        what: `attempt ${expected} to end`,
        timeoutMs: 5_000,
      });
      await until(async () => (await onRecord(cluster)).at(-1)?.outcome === 'failed', {
        what: `the end of attempt ${expected} on record`,
        timeoutMs: 5_000,
      });
    };
    await attempt(1);
    now += 999;
    await restarts.consider(outage(incident));
    assert.equal((await onRecord(cluster)).length, 1, 'the next one is not due yet');
    now += 1;
    await attempt(2);
    const [first] = await onRecord(cluster);
    assert.deepEqual([first?.driver, first?.by, first?.detail], ['exec', 'analyzer-1', 'no such unit']);
    await restarts.stop();
  });

  it('are not made once an operator has judged the engine, or it has moved on', async () => {
    await using cluster = await ProbedCluster.start();
    const incident = await cluster.reportFailure('report-1');
    assert.equal((await cluster.giveVerdict(incident, 'temporary')).outcome, 'applied');
    const restarts = restartsOf(cluster, {});
    assert.deepEqual(await restarts.consider(outage(incident)), []);
    await restarts.stop();
    assert.deepEqual(await onRecord(cluster), []);
  });

  it('are not made while an operator holds the engine, has paused healing, or announced a downtime', async () => {
    await using cluster = await ProbedCluster.start();
    await killEngine(cluster.engine);
    const incident = await cluster.reportFailure('report-1');
    const restarts = restartsOf(cluster, {});
    const by = { by: 'alice', reason: 'a new disk' };
    const order = async (
      what: { kind: 'pause' | 'resume' | 'end-downtime' } | { kind: 'begin-downtime'; durationMs: number },
    ): Promise<void> => {
      const input: HealingControlInput = { ...what, ...by, operation: what.kind };
      const { outcome, reason } = await applyHealingControl(cluster.store, 'p1', input);
      assert.equal(outcome, 'applied', reason);
    };
    const why = (): Promise<string | null> => withheld(cluster.store, incident, Date.now());

    await order({ kind: 'pause' });
    assert.match((await why()) ?? '', /alice has paused healing: a new disk/);
    assert.deepEqual(await restarts.consider(outage(incident)), []);
    await order({ kind: 'resume' });
    assert.equal(await why(), null);

    await order({ kind: 'begin-downtime', durationMs: 3_600_000 });
    assert.match((await why()) ?? '', /alice announced a downtime: a new disk/);
    assert.deepEqual(await restarts.consider(outage(incident)), []);
    await order({ kind: 'end-downtime' });
    assert.equal(await why(), null);

    const key = incidentKey('p1', 0);
    const hold = { kind: 'planned' as const, ...by, at: 1, operation: 'o' };
    const held = formatRecord(incidentSchema, key, { ...incident, hold });
    await cluster.store.transact({ compare: [], puts: [{ key, value: held }] });
    assert.match((await why()) ?? '', /held offline: a new disk/);
    assert.deepEqual(await restarts.consider(outage(incident)), []);
    await restarts.stop();
    assert.deepEqual(await onRecord(cluster), []);
  });

  it('by a command bring a real engine back with its data: temporary, with the restart as evidence', async () => {
    await using cluster = await ProbedCluster.start();
    await killEngine(cluster.engine);
    const { command, args } = cluster.engine.process.spec;
    const driver = new ExecDriver([command, ...args, '--daemonize', 'yes']);
    const restarts = restartsOf(cluster, { driver });
    const judged: JudgedOutage[] = [];
    const watch = new OutageWatch({
      store: cluster.store,
      policy: { healthyProbes: 2, permanentAfterMs: 3_600_000 },
      probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
      probeIntervalMs: 10,
      repeatAfterMs: 50,
      restarts,
      announce: async (one) => {
        judged.push(one);
      },
      log: silentLogger,
    });
    await cluster.reportFailure('report-1');
    try {
      await watch.start();
      await until(() => judged.some(({ evidence }) => evidence.some(({ kind }) => kind === 'restarted')), {
        what: 'a verdict',
        timeoutMs: 20_000,
      });
    } finally {
      watch.stop();
      await restarts.stop();
      const link = await EngineLink.open(cluster.engine.port);
      await link.send('SHUTDOWN', 'NOSAVE').catch(() => undefined); // it closes the connection
    }
    assert.deepEqual(new Set(judged.map(({ verdict }) => verdict)), new Set(['temporary']));
    const restarted = judged.at(-1)?.evidence.find(({ kind }) => kind === 'restarted');
    assert.equal(restarted?.observer, 'analyzer-1');
    assert.match(restarted?.detail ?? '', /attempt 1 through exec: 'redis-server .*' ended with 0/);
  });
});
