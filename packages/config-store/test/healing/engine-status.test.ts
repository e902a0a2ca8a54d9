import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineState, EngineStatus } from '../../src/cluster-storage.ts';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import type {
  EngineStatusCode,
  EngineStatusDecision,
  EngineStatusInput,
} from '../../src/healing/engine-status-decision.ts';
import { InvariantError } from '../../src/healing/invariant.ts';
import { incidentReportersMax, type Verdict } from '../../src/healing/records.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const openedAt = 1_000;

function report(address: string, changes: Partial<EngineStatusInput> = {}): EngineStatusInput {
  return {
    kind: 'failure-reported',
    address,
    reporter: 'nbd-1',
    reason: 'connection refused',
    operation: 'op-report',
    detectedAt: openedAt,
    ...changes,
  } as EngineStatusInput;
}

function verdict(state: ClusterState, word: Verdict, changes: object = {}): EngineStatusInput {
  const incident = state.incidents.get(0);
  return {
    kind: 'verdict',
    incident: incident?.id ?? 'none',
    attempt: incident?.attempt ?? 1,
    verdict: word,
    reason: 'as probed',
    evidence: [{ kind: 'ping', detail: 'PONG', at: openedAt }],
    by: 'analyzer-1',
    operation: `op-${word}`,
    ...changes,
  } as EngineStatusInput;
}

const byOperator = { operator: true, address: 'p0:1', by: 'ops' };

function complete(
  state: ClusterState,
  repaired: string[],
  vdisks: string[],
  changes: object = {},
): EngineStatusInput {
  const incident = state.incidents.get(0);
  return {
    kind: 'repairs-complete',
    incident: incident?.id ?? 'none',
    attempt: incident?.attempt ?? 1,
    repaired: new Set(repaired),
    vdisks: new Set(vdisks),
    by: 'coordinator',
    operation: 'op-complete',
    ...changes,
  } as EngineStatusInput;
}

function apply(state: ClusterState, input: EngineStatusInput, now = openedAt): ClusterState {
  const decision = decideEngineStatus(state, input, now);
  assert.equal(decision.outcome, 'applied', decision.reason);
  assert.ok(decision.next);
  return decision.next;
}

const online = (spares?: string[]): ClusterState => pairOfClusters(3, spares);
const offline = (spares?: string[]): ClusterState => apply(online(spares), report('p0:1'));
const underTmp = (): ClusterState => {
  const state = offline();
  return apply(state, verdict(state, 'temporary'), 1_100);
};
const underFinal = (): ClusterState => {
  const state = offline();
  return apply(state, verdict(state, 'permanent'), 1_100);
};

function statusOf(state: ClusterState, shard = 0): [EngineStatus | undefined, EngineState | undefined] {
  const entry = state.storage.servers[shard];
  return [entry?.status, entry?.state];
}

const types = (decision: EngineStatusDecision): string[] => decision.effects.map(({ type }) => type);

describe('a reported failure', () => {
  it('takes an online engine offline, opens an incident and makes the cluster repair', () => {
    const decision = decideEngineStatus(online(), report('p0:1'), openedAt);
    assert.equal(decision.outcome, 'applied');
    assert.deepEqual(types(decision), ['incident.opened', 'engine.status-changed', 'cluster.status-changed']);
    assert.deepEqual(decision.next && statusOf(decision.next), ['offline', 'offline']);
    assert.equal(decision.next?.record.status, 'repairing');
    assert.equal(decision.incident?.id, `p-0-${openedAt.toString(36)}`);
    assert.equal(decision.incident?.attempt, 1);
  });

  it('makes both clusters unhealthy when the partner of the pair is down too', () => {
    const healthy = online();
    const { partner } = healthy;
    assert.ok(partner);
    const servers = partner.storage.servers.with(0, {
      ...(partner.storage.servers[0] ?? assert.fail()),
      status: 'offline',
      state: 'offline',
    });
    const next = apply({ ...healthy, partner: { ...partner, storage: { servers } } }, report('p0:1'));
    assert.equal(next.record.status, 'unhealthy');
    assert.equal(next.partner?.record?.status, 'unhealthy');
  });

  it('adds each further reporter once, up to a bound, and changes nothing else', () => {
    let state = offline();
    for (let index = 0; index < 40; index++) {
      const decision = decideEngineStatus(state, report('p0:1', { reporter: `nbd-${index}` }), 1_050);
      assert.equal(decision.outcome, 'already');
      assert.deepEqual(decision.effects, []);
      if (decision.next !== undefined) {
        assert.equal(decision.next.storage, state.storage);
        assert.equal(decision.next.record, state.record);
        state = decision.next;
      }
    }
    assert.equal(state.incidents.get(0)?.reporters.length, incidentReportersMax);
    assert.equal(decideEngineStatus(state, report('p0:1'), 1_060).next, undefined);
  });

  it('of before the engine came back is stale, unless it was made under the present configuration', () => {
    const tmp = underTmp();
    const back = apply(tmp, complete(tmp, ['v1'], ['v1']), 2_000);
    const late = report('p0:1', { detectedAt: 1_999 });
    assert.equal(decideEngineStatus(back, late, 3_000).code, 'stale-report');
    const slowClock = report('p0:1', { detectedAt: 10, seenRevision: '100' });
    assert.equal(decideEngineStatus(back, slowClock, 3_000).outcome, 'applied');
    assert.equal(decideEngineStatus(back, report('p0:1', { detectedAt: 2_000 }), 3_000).outcome, 'applied');
  });

  it('during a repair starts the next attempt, without the verdict of the one before', () => {
    const again = apply(underTmp(), report('p0:1', { detectedAt: 1_200 }), 1_200);
    const incident = again.incidents.get(0);
    assert.deepEqual(statusOf(again), ['offline', 'offline']);
    assert.equal(incident?.attempt, 2);
    assert.equal(incident?.verdict, undefined);
    assert.equal(incident?.history.length, 3);
  });

  it('of the spare under rebuild retires that spare, and the next verdict takes another', () => {
    const again = apply(underFinal(), report('spare0:1', { detectedAt: 1_200 }), 1_200);
    assert.deepEqual(statusOf(again), ['offline', 'offline']);
    assert.equal(again.storage.servers[0]?.replacement, undefined);
    assert.deepEqual(
      again.record.retired.map(({ address }) => address),
      ['spare0:1'],
    );
    const rebuilt = apply(again, verdict(again, 'permanent'), 1_300);
    assert.deepEqual(rebuilt.storage.servers[0]?.replacement, { address: 'spare1:1', db: 0, generation: 3 });
  });

  it('of the engine that is being replaced changes nothing', () => {
    const decision = decideEngineStatus(underFinal(), report('p0:1', { detectedAt: 1_200 }), 1_200);
    assert.equal(decision.outcome, 'already');
  });

  it('opens an incident for an engine that another tool put offline', () => {
    const state = online();
    const servers = state.storage.servers.with(0, {
      ...(state.storage.servers[0] ?? assert.fail()),
      status: 'offline',
      state: 'offline',
    });
    const decision = decideEngineStatus({ ...state, storage: { servers } }, report('p0:1'), openedAt);
    assert.equal(decision.code, 'adopted');
    assert.deepEqual(types(decision), ['incident.opened', 'cluster.status-changed']);
  });

  it('heals an engine that another tool put online in the middle of an incident', () => {
    const state = offline();
    const servers = state.storage.servers.with(0, {
      ...(state.storage.servers[0] ?? assert.fail()),
      status: 'online',
      state: 'online',
    });
    const meddled = { ...state, storage: { servers } };
    assert.equal(decideEngineStatus(meddled, verdict(state, 'temporary'), 1_100).code, 'state-disagrees');
    const decision = decideEngineStatus(meddled, report('p0:1', { detectedAt: 1_200 }), 1_200);
    assert.equal(decision.incident?.id, state.incidents.get(0)?.id);
    assert.equal(decision.incident?.attempt, 2);
  });

  it('right after an incident closed opens one with another id, even within a millisecond', () => {
    const state = offline();
    const back = apply(state, verdict(state, 'false_alarm', { missedWrites: false }), openedAt);
    const again = apply(back, report('p0:1', { seenRevision: '100' }), openedAt);
    assert.notEqual(again.incidents.get(0)?.id, state.incidents.get(0)?.id);
  });
});

describe('a verdict', () => {
  it('temporary starts the repair of the dirty blocks', () => {
    assert.deepEqual(statusOf(underTmp()), ['repair-tmp-outage', 'repair']);
  });

  it('permanent takes a spare of the next generation', () => {
    const state = underFinal();
    assert.deepEqual(statusOf(state), ['repair-final-outage', 'respread']);
    assert.deepEqual(state.storage.servers[0]?.replacement, { address: 'spare0:1', db: 0, generation: 2 });
    assert.deepEqual(
      state.record.spares.map(({ address }) => address),
      ['spare1:1'],
    );
  });

  it('permanent without a spare waits, says so, and is applied once there is one', () => {
    const state = offline([]);
    const waiting = decideEngineStatus(state, verdict(state, 'permanent'), 1_100);
    assert.deepEqual([waiting.outcome, waiting.code], ['applied', 'waiting-for-spare']);
    assert.match(waiting.reason, /no spare left/);
    assert.ok(waiting.next);
    assert.deepEqual(statusOf(waiting.next), ['offline', 'offline']);
    const repeat = decideEngineStatus(waiting.next, verdict(state, 'permanent'), 1_200);
    assert.deepEqual([repeat.outcome, repeat.next], ['already', undefined]);
    const supplied = {
      ...waiting.next,
      record: { ...waiting.next.record, spares: [{ address: 'spare9:1', db: 2 }] },
    };
    const rebuilt = apply(supplied, verdict(state, 'permanent'), 1_300);
    assert.equal(rebuilt.storage.servers[0]?.replacement?.address, 'spare9:1');
  });

  it('permanent waits while there is nothing to rebuild from: the engine is used when it comes back', () => {
    const partnerIs = (state: ClusterState, status: EngineStatus): ClusterState => {
      const partner = state.partner ?? assert.fail();
      const entry = { ...(partner.storage.servers[0] ?? assert.fail()), status };
      return {
        ...state,
        partner: { ...partner, storage: { servers: partner.storage.servers.with(0, entry) } },
      };
    };
    const state = partnerIs(offline(), 'offline');
    const waiting = decideEngineStatus(state, verdict(state, 'permanent'), 1_100);
    assert.deepEqual([waiting.outcome, waiting.code], ['applied', 'waiting-for-source']);
    assert.match(waiting.reason, /its partner \S+ is offline, so there is nothing to rebuild it from/);
    assert.ok(waiting.next);
    assert.deepEqual(statusOf(waiting.next), ['offline', 'offline']);
    assert.equal(waiting.next.record.spares.length, state.record.spares.length, 'no spare is taken');
    const repeat = decideEngineStatus(waiting.next, verdict(waiting.next, 'permanent'), 1_200);
    assert.deepEqual([repeat.outcome, repeat.code], ['already', 'waiting-for-source']);

    const back = apply(waiting.next, verdict(waiting.next, 'temporary'), 1_300);
    assert.deepEqual(statusOf(back), ['repair-tmp-outage', 'repair']);
    const served = partnerIs(waiting.next, 'online');
    const rebuilt = apply(served, verdict(served, 'permanent'), 1_300);
    assert.equal(rebuilt.storage.servers[0]?.replacement?.address, 'spare0:1');
  });

  it('never rebuilds a shard on an engine that serves another one', () => {
    const state = offline(['p1:1']);
    assert.equal(decideEngineStatus(state, verdict(state, 'permanent'), 1_100).code, 'waiting-for-spare');
  });

  it('false alarm brings the engine back only when it certainly missed no write', () => {
    const state = offline();
    const decision = decideEngineStatus(state, verdict(state, 'false_alarm', { missedWrites: false }), 1_100);
    assert.ok(decision.next);
    assert.deepEqual(statusOf(decision.next), ['online', 'online']);
    assert.equal(decision.closed?.outcome, 'false-alarm');
    assert.equal(decision.closed?.durationMs, 100);
    for (const missedWrites of [true, undefined]) {
      const next = apply(state, verdict(state, 'false_alarm', { missedWrites }), 1_100);
      assert.deepEqual(statusOf(next), ['repair-tmp-outage', 'repair']);
    }
    const second = apply(underTmp(), report('p0:1', { detectedAt: 1_200 }), 1_200);
    const next = apply(second, verdict(second, 'false_alarm', { missedWrites: false }), 1_300);
    assert.deepEqual(statusOf(next), ['repair-tmp-outage', 'repair']);
  });

  it('of an operator turns a temporary outage into a permanent one, through offline', () => {
    const decision = decideEngineStatus(underTmp(), verdict(underTmp(), 'permanent', byOperator), 1_200);
    const moves = decision.effects.flatMap((event) =>
      event.type === 'engine.status-changed' ? [`${event.payload.from}>${event.payload.to}`] : [],
    );
    assert.deepEqual(moves, ['repair-tmp-outage>offline', 'offline>repair-final-outage']);
    assert.equal(decision.incident?.attempt, 2);
    assert.equal(decision.incident?.verdict?.operator, true);
  });

  it('of an operator that waits for a spare stays the operator’s when the coordinator gives it again', () => {
    const state = offline([]);
    const waiting = apply(state, verdict(state, 'permanent', byOperator), 1_100);
    assert.equal(decideEngineStatus(waiting, verdict(waiting, 'temporary'), 1_200).code, 'operator-decided');
    const supplied = { ...waiting, record: { ...waiting.record, spares: [{ address: 'spare9:1', db: 0 }] } };
    const rebuilt = apply(supplied, verdict(waiting, 'permanent'), 1_300);
    assert.equal(rebuilt.incidents.get(0)?.verdict?.by, 'ops');
  });
});

describe('finished repairs', () => {
  it('bring a temporary outage back online and close the incident', () => {
    const decision = decideEngineStatus(
      underTmp(),
      complete(underTmp(), ['v1', 'v2', 'gone'], ['v1', 'v2']),
      2_000,
    );
    assert.ok(decision.next);
    assert.deepEqual(statusOf(decision.next), ['online', 'online']);
    assert.equal(decision.next.record.status, 'healthy');
    assert.equal(decision.next.record.lastOnlineAt['0'], 2_000);
    assert.deepEqual(types(decision), ['engine.status-changed', 'incident.closed', 'cluster.status-changed']);
    assert.deepEqual([decision.closed?.outcome, decision.closed?.durationMs], ['repaired', 1_000]);
  });

  it('put the spare in the place of a lost engine, which is retired', () => {
    const state = underFinal();
    const next = apply(state, complete(state, ['v1'], ['v1']), 2_000);
    assert.deepEqual(next.storage.servers[0], {
      address: 'spare0:1',
      db: 0,
      state: 'online',
      status: 'online',
      generation: 2,
    });
    assert.deepEqual(next.record.retired, [
      { address: 'p0:1', db: 0, incident: state.incidents.get(0)?.id ?? '', at: 2_000 },
    ]);
  });

  it('give up a shard whose blocks were spread, but never the last one', () => {
    const state = underFinal();
    const { replacement: _spare, ...alone } = state.storage.servers[0] ?? assert.fail();
    const { replacement: _same, ...incident } = state.incidents.get(0) ?? assert.fail();
    const spread: ClusterState = {
      ...state,
      storage: { servers: state.storage.servers.with(0, alone) },
      incidents: new Map([[0, incident]]),
    };
    assert.deepEqual(statusOf(apply(spread, complete(spread, [], []), 2_000)), ['rip', 'rip']);
    const last = { ...spread, storage: { servers: [alone] } };
    assert.equal(decideEngineStatus(last, complete(spread, [], []), 2_000).code, 'last-engine');
  });
});

describe('what is refused', () => {
  const tmp = underTmp();
  const final = underFinal();
  const begunAgain = apply(final, report('spare0:1', { detectedAt: 1_200 }), 1_200);
  const ripped = {
    ...online(),
    storage: {
      servers: online().storage.servers.with(0, {
        ...(online().storage.servers[0] ?? assert.fail()),
        status: 'rip' as const,
        state: 'rip' as const,
      }),
    },
  };
  const replaced = apply(final, complete(final, [], []), 2_000);
  const table: [string, ClusterState, EngineStatusInput, EngineStatusCode][] = [
    ['a report of an address nobody knows', online(), report('x:1'), 'unknown-address'],
    ['a report of an idle spare', online(), report('spare0:1'), 'idle-spare'],
    ['a report of a retired engine', replaced, report('p0:1', { detectedAt: 9_000 }), 'retired'],
    ['a report of an engine that is rip', ripped, report('p0:1'), 'rip'],
    ['a report of before the repair began', tmp, report('p0:1', { detectedAt: 1_050 }), 'stale-report'],
    [
      'a report of before the rebuild began',
      final,
      report('spare0:1', { detectedAt: 1_050 }),
      'stale-report',
    ],
    ['a verdict on an incident that is not open', online(), verdict(tmp, 'temporary'), 'incident-not-open'],
    ['a verdict on an attempt that is over', begunAgain, verdict(final, 'permanent'), 'stale-attempt'],
    ['a verdict on an attempt to come', tmp, verdict(tmp, 'temporary', { attempt: 7 }), 'unknown-attempt'],
    ['another verdict during a repair', tmp, verdict(tmp, 'permanent'), 'verdict-in-force'],
    ['temporary after a rebuild began', begunAgain, verdict(begunAgain, 'temporary'), 'rebuild-begun'],
    ['false alarm after a rebuild began', begunAgain, verdict(begunAgain, 'false_alarm'), 'rebuild-begun'],
    [
      'an operator’s temporary during a rebuild',
      final,
      verdict(final, 'temporary', byOperator),
      'rebuild-begun',
    ],
    [
      'an operator’s verdict without an incident',
      online(),
      verdict(tmp, 'temporary', byOperator),
      'incident-not-open',
    ],
    ['completion of an incident that is not open', online(), complete(tmp, [], []), 'incident-not-open'],
    ['completion of an attempt that is over', begunAgain, complete(final, [], []), 'stale-attempt'],
    ['completion of an attempt to come', tmp, complete(tmp, [], [], { attempt: 2 }), 'unknown-attempt'],
    ['completion while offline', offline(), complete(offline(), [], []), 'not-under-repair'],
    ['completion with a vdisk missing', tmp, complete(tmp, ['v1', 'v3'], ['v1', 'v2']), 'repairs-missing'],
  ];
  for (const [what, state, input, code] of table) {
    it(`${what}: ${code}`, () => {
      const decision = decideEngineStatus(state, input, 9_000);
      assert.deepEqual([decision.outcome, decision.code], ['refused', code]);
      assert.equal(decision.next, undefined);
      assert.match(decision.reason, /\w+ \w+ \w+/);
    });
  }

  it('a state whose words do not match is a broken rule, not a decision', () => {
    const state = online();
    const servers = state.storage.servers.with(0, {
      ...(state.storage.servers[0] ?? assert.fail()),
      status: 'offline',
    });
    assert.throws(
      () => decideEngineStatus({ ...state, storage: { servers } }, report('p0:1'), openedAt),
      InvariantError,
    );
  });
});

describe('an engine that served last and lost writes that nobody else has', () => {
  const found = (state: ClusterState, changes: object = {}): EngineStatusInput => {
    const incident = state.incidents.get(0);
    return {
      kind: 'writes-lost',
      incident: incident?.id ?? 'none',
      attempt: incident?.attempt ?? 1,
      reason: 'it is at batch 7, expected 9',
      by: 'nbd-1',
      operation: 'op-lost',
      ...changes,
    } as EngineStatusInput;
  };

  it('is held offline in the next attempt: that it looks well changes nothing', () => {
    const held = apply(underTmp(), found(underTmp()), 1_200);
    const incident = held.incidents.get(0);
    assert.deepEqual(
      [incident?.status, incident?.attempt, incident?.hold?.kind, incident?.verdict],
      ['offline', 2, 'writes-lost', undefined],
    );
    for (const word of ['temporary', 'permanent'] as const) {
      const { code, reason } = decideEngineStatus(held, verdict(held, word), 1_300);
      assert.equal(code, 'held');
      assert.match(reason, /p0:1 lost writes that no other engine has \(it is at batch 7, expected 9\)/);
    }
    assert.equal(decideEngineStatus(held, found(held), 1_300).outcome, 'already');
  });

  it('is held as well when its failure was reported first, and not when an older attempt is meant', () => {
    const before = underTmp();
    const reported = apply(before, report('p0:1', { detectedAt: 1_150 }), 1_150);
    const held = apply(reported, found(before), 1_200);
    const incident = held.incidents.get(0);
    assert.deepEqual([incident?.attempt, incident?.hold?.kind], [2, 'writes-lost']);
    assert.deepEqual(incident?.history, reported.incidents.get(0)?.history, 'it moved already');

    const again = apply(reported, verdict(reported, 'temporary'), 1_300);
    assert.equal(decideEngineStatus(again, found(before), 1_400).code, 'stale-attempt');
    assert.equal(decideEngineStatus(online(), found(before), 1_400).code, 'incident-not-open');
  });

  it('is judged again once somebody has brought its data back and says so, or judges it themselves', () => {
    const held = apply(underTmp(), found(underTmp()), 1_200);
    const { id } = held.incidents.get(0) ?? assert.fail();
    const seen = { kind: 'acknowledge', incident: id, by: 'ann', reason: 'restored', operation: 'op-seen' };
    const acknowledged = apply(held, seen as EngineStatusInput, 1_300);
    assert.equal(acknowledged.incidents.get(0)?.hold, undefined);
    const judged = apply(acknowledged, verdict(acknowledged, 'temporary'), 1_400);
    assert.equal(judged.incidents.get(0)?.status, 'repair-tmp-outage');
    const ordered = apply(held, verdict(held, 'temporary', byOperator), 1_400);
    assert.equal(ordered.incidents.get(0)?.status, 'repair-tmp-outage');
  });
});
