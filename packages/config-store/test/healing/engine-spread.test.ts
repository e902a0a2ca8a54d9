import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineStatus, ServerEntry } from '../../src/cluster-storage.ts';
import { stateOfStatus } from '../../src/cluster-storage.ts';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import type {
  EngineStatusDecision,
  EngineStatusInput,
  SpreadWanted,
} from '../../src/healing/engine-status-decision.ts';
import { incidentSchema } from '../../src/healing/records.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const JUDGED_AT = 2_000;

function apply(state: ClusterState, input: EngineStatusInput, now: number): ClusterState {
  const { outcome, reason, next } = decideEngineStatus(state, input, now);
  assert.equal(outcome, 'applied', reason);
  return next ?? assert.fail(reason);
}

/** Engine p0 is lost, and there is no spare. */
function lost(shards = 3): ClusterState {
  const failed = apply(
    pairOfClusters(shards, []),
    {
      ...{
        kind: 'failure-reported',
        address: 'p0:1',
        reporter: 'nbd-1',
        reason: 'gone',
        operation: 'op-report',
      },
      detectedAt: 1_000,
    },
    1_000,
  );
  const { id = '', attempt = 0 } = failed.incidents.get(0) ?? {};
  return apply(
    failed,
    {
      ...{ kind: 'verdict', incident: id, attempt, verdict: 'permanent', reason: 'its identity is gone' },
      ...{ evidence: [], by: 'analyzer', operation: 'op-verdict' },
    },
    JUDGED_AT,
  );
}

function spread(state: ClusterState, changes: Partial<SpreadWanted> = {}): SpreadWanted {
  const { id = 'none', attempt = 1 } = state.incidents.get(0) ?? {};
  return {
    ...{ kind: 'spread', incident: id, attempt, afterMs: 500, hindrance: null },
    ...{ by: 'coordinator', operation: 'op-spread' },
    ...changes,
  };
}

function decide(state: ClusterState, now = 3_000, changes: Partial<SpreadWanted> = {}): EngineStatusDecision {
  return decideEngineStatus(state, spread(state, changes), now);
}

function complete(state: ClusterState, repaired: string[]): EngineStatusDecision {
  const { id = 'none', attempt = 1 } = state.incidents.get(0) ?? {};
  return decideEngineStatus(
    state,
    {
      ...{ kind: 'repairs-complete', incident: id, attempt, by: 'coordinator', operation: 'op-complete' },
      ...{ repaired: new Set(repaired), vdisks: new Set(['v0', 'v1']) },
    },
    4_000,
  );
}

function withStatus(servers: readonly ServerEntry[], shard: number, status: EngineStatus): ServerEntry[] {
  const entry = servers[shard] ?? assert.fail();
  return servers.with(shard, { ...entry, status, state: stateOfStatus[status] });
}

function withOwn(state: ClusterState, shard: number, status: EngineStatus): ClusterState {
  return { ...state, storage: { servers: withStatus(state.storage.servers, shard, status) } };
}

function withPartner(state: ClusterState, shard: number, status: EngineStatus): ClusterState {
  const partner = state.partner ?? assert.fail();
  return {
    ...state,
    partner: { ...partner, storage: { servers: withStatus(partner.storage.servers, shard, status) } },
  };
}

describe('a lost engine without a spare', () => {
  it('is spread once a spare was waited for, from the partner that has everything', () => {
    const state = lost();
    assert.deepEqual(
      [decide(state, JUDGED_AT + 499).code, decide(state, JUDGED_AT + 500).code],
      ['too-early', 'moved'],
    );
    const next = decide(state).next ?? assert.fail();
    const { status, repairKind, survivor, waitsFor, rebuildBegun } = next.incidents.get(0) ?? assert.fail();
    assert.deepEqual(
      [status, repairKind, rebuildBegun, waitsFor],
      ['repair-final-outage', 'spread', true, undefined],
    );
    assert.deepEqual(survivor, { cluster: 's', address: 's0:1', db: 0 });
    const entry = next.storage.servers[0];
    assert.deepEqual(
      [entry?.status, entry?.state, entry?.replacement],
      ['repair-final-outage', 'respread', undefined],
    );
    assert.equal(decideEngineStatus(next, spread(next), 3_100).outcome, 'already');
  });

  it('takes a spare that appears before the spread began, and none after that', () => {
    const spare = (state: ClusterState): ClusterState => ({
      ...state,
      record: { ...state.record, spares: [{ address: 'spare0:1', db: 0 }] },
    });
    const supplied = spare(lost());
    assert.equal(decide(supplied).code, 'spare-available');
    const { id: incident = '', attempt = 0 } = supplied.incidents.get(0) ?? {};
    const verdict: EngineStatusInput = {
      ...{ kind: 'verdict', incident, attempt, verdict: 'permanent', reason: 'as before', evidence: [] },
      ...{ by: 'coordinator', operation: 'op-again' },
    };
    const rebuilt = apply(supplied, verdict, 3_000);
    assert.deepEqual(
      [rebuilt.incidents.get(0)?.repairKind, rebuilt.storage.servers[0]?.replacement?.address],
      ['spare', 'spare0:1'],
    );
    const begun = spare(decide(lost()).next ?? assert.fail());
    assert.equal(decideEngineStatus(begun, verdict, 3_100).outcome, 'already');
  });

  it('ends with both members of the pair rip and both clusters healthy', () => {
    const begun = decide(lost()).next ?? assert.fail();
    assert.equal(complete(begun, ['v0']).code, 'repairs-missing');
    const done = complete(begun, ['v0', 'v1']);
    const { storage, partner, record, incidents } = done.next ?? assert.fail(done.reason);
    assert.deepEqual([storage.servers[0]?.state, partner?.storage.servers[0]?.state], ['rip', 'rip']);
    assert.deepEqual([record.status, partner?.record?.status, incidents.size], ['healthy', 'healthy', 0]);
    assert.deepEqual([done.closed?.outcome, done.closed?.survivor?.address], ['spread', 's0:1']);
    assert.deepEqual(
      done.effects.flatMap((event) =>
        event.type === 'engine.status-changed'
          ? [[event.payload.cluster, event.payload.from, event.payload.to]]
          : [],
      ),
      [
        ['s', 'online', 'rip'],
        ['p', 'repair-final-outage', 'rip'],
      ],
    );
  });

  it('ends the incident of the partner too when that failed after the blocks were elsewhere', () => {
    const begun = decide(lost()).next ?? assert.fail();
    const dark = withPartner(begun, 0, 'offline');
    const incident = incidentSchema.parse({
      ...{ id: 's-0-x', cluster: 's', shard: 0, address: 's0:1', db: 0, status: 'offline', attempt: 2 },
      ...{ openedAt: 3_500, reporters: [], reportedTimes: 1, history: [] },
    });
    const failing: ClusterState = {
      ...dark,
      partner: { ...(dark.partner ?? assert.fail()), incidents: new Map([[0, incident]]) },
    };
    const done = complete(failing, ['v0', 'v1']);
    assert.deepEqual([done.partnerClosed?.id, done.partnerClosed?.outcome], ['s-0-x', 'spread']);
    assert.equal(done.next?.partner?.incidents?.size, 0);
    assert.equal(done.next?.partner?.storage.servers[0]?.status, 'rip');
  });

  const cases: readonly [what: string, state: () => ClusterState, says: RegExp][] = [
    [
      'there is no slave cluster',
      () => {
        const { partner: _partner, ...alone } = lost();
        return alone;
      },
      /no slave cluster: no second copy/,
    ],
    [
      'the slave cluster is shorter',
      () => {
        const state = lost();
        const partner = state.partner ?? assert.fail();
        return { ...state, partner: { ...partner, storage: { servers: [] } } };
      },
      /there is no pair/,
    ],
    ['the partner is down too', () => withPartner(lost(), 0, 'offline'), /nobody holds every block/],
    ['it is the only pair', () => lost(1), /the last pair/],
    ['the other pairs are rip', () => withOwn(withOwn(lost(), 1, 'rip'), 2, 'rip'), /the last pair/],
    [
      'another shard is being spread',
      () => withPartner(lost(), 2, 'repair-final-outage'),
      /shard 2 are being spread/,
    ],
    [
      'another pair is dark',
      () => withPartner(withOwn(lost(), 1, 'offline'), 1, 'offline'),
      /pair 1 has no live member/,
    ],
    [
      'no other pair has both members',
      () => withOwn(withPartner(lost(), 1, 'offline'), 2, 'offline'),
      /on one engine only/,
    ],
  ];
  for (const [what, stateOf, says] of cases) {
    it(`stays offline, and its incident says why, when ${what}`, () => {
      const state = stateOf();
      const decision = decide(state);
      assert.deepEqual([decision.outcome, decision.code], ['applied', 'spread-hindered']);
      const next = decision.next ?? assert.fail();
      assert.equal(next.storage, state.storage);
      assert.match(next.incidents.get(0)?.waitsFor ?? '', says);
      const again = decideEngineStatus(next, spread(next), 5_000);
      assert.deepEqual([again.outcome, again.code, again.next], ['already', 'spread-hindered', undefined]);
    });
  }

  it('stays offline while a vdisk cannot be spread, and is spread once it can', () => {
    const hindered = decide(lost(), 3_000, { hindrance: 'v7 is of type boot' });
    assert.match(
      hindered.next?.incidents.get(0)?.waitsFor ?? '',
      /its blocks are not spread: v7 is of type boot/,
    );
    assert.equal(decide(hindered.next ?? assert.fail(), 3_100).code, 'moved');
  });

  it('is not spread while an operator holds healing back', () => {
    const state = lost();
    const pause = { by: 'ops', at: 1, reason: 'a rack is moved', operation: 'op-pause' };
    const controls = { everywhere: { pause, downtimes: [], log: [] } };
    assert.equal(decide({ ...state, controls }).code, 'healing-paused');
    const hold = {
      kind: 'planned' as const,
      by: 'ops',
      at: 1,
      reason: 'a disk is changed',
      operation: 'op-hold',
    };
    const incident = { ...(state.incidents.get(0) ?? assert.fail()), hold };
    assert.equal(decide({ ...state, incidents: new Map([[0, incident]]) }).code, 'held');
  });

  it('is not spread while its outage is not judged permanent', () => {
    const state = lost();
    const { verdict: _verdict, ...incident } = state.incidents.get(0) ?? assert.fail();
    assert.equal(decide({ ...state, incidents: new Map([[0, incident]]) }).code, 'not-lost');
  });
});
