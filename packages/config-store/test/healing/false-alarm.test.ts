import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { decideEngineStatus, type HealingPolicy } from '../../src/healing/engine-status.ts';
import type { EngineStatusDecision } from '../../src/healing/engine-status-decision.ts';
import { doubtedUntil, doubtMs } from '../../src/healing/false-alarm.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const MINUTE = 60_000;

function applied(decision: EngineStatusDecision): ClusterState {
  assert.equal(decision.outcome, 'applied', decision.reason);
  return decision.next ?? assert.fail('nothing to store');
}

function report(state: ClusterState, at: number, reporter = 'nbd-2'): ClusterState {
  const reason = 'no reply within 1500 ms';
  const input = { address: 'p0:1', reporter, reason, operation: `report-${at}`, detectedAt: at };
  return applied(decideEngineStatus(state, { kind: 'failure-reported', ...input }, at));
}

function falseAlarm(
  state: ClusterState,
  at: number,
  changes: { missedWrites?: boolean; oddReporter?: string } = {},
  policy: HealingPolicy = {},
): EngineStatusDecision {
  const { id: incident, attempt } = state.incidents.get(0) ?? assert.fail('no incident');
  const about = { incident, attempt, reason: 'the others see it well', evidence: [], by: 'analyzer' };
  return decideEngineStatus(
    state,
    {
      kind: 'verdict',
      verdict: 'false_alarm',
      ...about,
      operation: `v-${at}`,
      oddReporter: 'nbd-2',
      ...changes,
    },
    at,
    policy,
  );
}

function repaired(state: ClusterState, at: number): ClusterState {
  const { id: incident, attempt } = state.incidents.get(0) ?? assert.fail('no incident');
  const about = { incident, attempt, repaired: new Set(['v1']), vdisks: new Set(['v1']) };
  const input = { kind: 'repairs-complete' as const, ...about, by: 'coordinator', operation: `c-${at}` };
  return applied(decideEngineStatus(state, input, at));
}

describe('a false alarm', () => {
  it('brings the engine back at once where no write was missed, and is remembered', () => {
    const state = applied(falseAlarm(report(pairOfClusters(), 1_000), 1_100, { missedWrites: false }));
    assert.equal(state.storage.servers[0]?.status, 'online');
    assert.deepEqual(state.record.falseAlarms, { 0: [{ reporter: 'nbd-2', at: 1_100 }] });
  });

  it('costs a repair where one may have been missed, by every server', () => {
    for (const missedWrites of [true, undefined]) {
      const changes = missedWrites === undefined ? {} : { missedWrites };
      const state = applied(falseAlarm(report(pairOfClusters(), 1_000), 1_100, changes));
      assert.equal(state.storage.servers[0]?.status, 'repair-tmp-outage');
      assert.deepEqual(state.incidents.get(0)?.doubted, [], 'the first one is forgiven');
    }
  });

  it('of a server that raised one before makes that server leave the engine alone, and no other', () => {
    const once = applied(falseAlarm(report(pairOfClusters(), 1_000), 1_100, { missedWrites: true }));
    const twice = applied(falseAlarm(report(once, 2_000), 2_100, { missedWrites: true }));
    const incident = twice.incidents.get(0) ?? assert.fail('no incident');
    assert.equal(incident.attempt, 2);
    assert.equal(doubtedUntil(incident, 'nbd-2', 2_200), 2_100 + 30_000);
    assert.equal(doubtedUntil(incident, 'nbd-1', 2_200), null);
    assert.equal(doubtedUntil(incident, 'nbd-2', 2_100 + 30_000), null, 'not for ever');
  });

  it('of a server that raised one before is no way back without a repair: it would fail the engine again at once', () => {
    const once = applied(falseAlarm(report(pairOfClusters(), 1_000), 1_100, { missedWrites: false }));
    const decision = falseAlarm(report(once, 2_000), 2_100, { missedWrites: false });
    assert.equal(applied(decision).storage.servers[0]?.status, 'repair-tmp-outage');
    assert.match(decision.reason, /its reporter raised false alarms before/);
  });

  it('is forgotten after an hour', () => {
    let state = pairOfClusters();
    for (const at of [1_000, 1_000 + 61 * MINUTE]) {
      state = applied(falseAlarm(report(state, at), at + 100, { missedWrites: true }));
      assert.deepEqual(state.incidents.get(0)?.doubted, []);
      state = repaired(state, at + 200);
    }
  });

  it('does not count as a failure: an engine that others see well does not flap', () => {
    const policy = { flapping: { failures: 3, windowMs: 10 * MINUTE } };
    let state = pairOfClusters();
    for (let n = 1; n <= 6; n++) {
      state = report(state, n * 1_000);
      state = applied(falseAlarm(state, n * 1_000 + 100, { missedWrites: true }, policy));
      assert.equal(state.storage.servers[0]?.status, 'repair-tmp-outage', `held after ${n} false alarms`);
      state = repaired(state, n * 1_000 + 200);
    }
    assert.deepEqual(state.record.failures?.[0], []);
  });

  it('makes a server wait longer each time, at most ten minutes', () => {
    assert.deepEqual([1, 2, 3, 4].map(doubtMs), [0, 30_000, 60_000, 120_000]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), (alarms) => {
        assert.ok(doubtMs(alarms + 1) >= doubtMs(alarms));
        assert.ok(doubtMs(alarms) <= 10 * MINUTE);
      }),
    );
  });
});
