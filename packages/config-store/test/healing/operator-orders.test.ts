import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { decideEngineStatus, type HealingPolicy } from '../../src/healing/engine-status.ts';
import type { EngineStatusDecision, EngineStatusInput } from '../../src/healing/engine-status-decision.ts';
import type { IncidentRecord } from '../../src/healing/records.ts';
import { OPENED_BEFORE_ALL } from '../../src/healing/served-last.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const vdisks = { single: [], mirrored: ['v1'] };
let operations = 0;

function order(kind: string, changes: object = {}): EngineStatusInput {
  const operation = `op-${kind}-${operations++}`;
  const about = ['acknowledge', 'cancel-repair', 'retry-repair'].includes(kind)
    ? { repaired: new Set<string>() }
    : { address: 'p0:1', vdisks, force: false };
  return { kind, by: 'alice', reason: 'new memory', operation, ...about, ...changes } as EngineStatusInput;
}

function judged(state: ClusterState, verdict: string): EngineStatusInput {
  const { id, attempt } = incident(state);
  const about = { incident: id, attempt, verdict, reason: 'as probed', evidence: [], by: 'analyzer' };
  return {
    kind: 'verdict',
    operation: `op-verdict-${operations++}`,
    ...about,
  } as unknown as EngineStatusInput;
}

function failed(address: string, at: number): EngineStatusInput {
  return {
    ...{ kind: 'failure-reported', address, reporter: 'nbd-1', reason: 'refused', detectedAt: at },
    operation: `op-failed-${operations++}`,
  } as EngineStatusInput;
}

function completed(state: ClusterState): EngineStatusInput {
  const { id, attempt } = incident(state);
  return {
    ...{
      kind: 'repairs-complete',
      incident: id,
      attempt,
      repaired: new Set(['v1']),
      vdisks: new Set(['v1']),
    },
    ...{ by: 'coordinator', operation: `op-complete-${operations++}` },
  } as EngineStatusInput;
}

function incident(state: ClusterState): IncidentRecord {
  return state.incidents.get(0) ?? assert.fail('shard 0 has no incident');
}

let now = 1_000;
function decide(state: ClusterState, input: EngineStatusInput, policy?: HealingPolicy): EngineStatusDecision {
  return decideEngineStatus(state, input, ++now, policy);
}

function apply(state: ClusterState, input: EngineStatusInput, policy?: HealingPolicy): ClusterState {
  const decision = decide(state, input, policy);
  assert.equal(decision.outcome, 'applied', decision.reason);
  return decision.next ?? assert.fail('nothing is stored');
}

function refusal(state: ClusterState, input: EngineStatusInput): string {
  const { outcome, code } = decide(state, input);
  assert.equal(outcome, 'refused');
  return code;
}

const status = (state: ClusterState): string | undefined => state.storage.servers[0]?.status;

/** The slave's engine of shard 0 is down too, since before or after the primary's. */
function withPartnerDown(state: ClusterState, first: 'partner' | 'engine'): ClusterState {
  const partner = state.partner ?? assert.fail('no partner');
  const slave = {
    ...partner,
    cluster: 's',
    revision: '100',
    incidents: new Map(),
  } as unknown as ClusterState;
  const down = apply(
    { ...slave, record: partner.record ?? assert.fail('no record'), partner: state },
    failed('s0:1', now),
  );
  const [openedFirst, openedThen] = [
    { openedIn: 10, changedIn: 10 },
    { openedIn: 20, changedIn: 20 },
  ];
  const isFirst = first === 'partner';
  return {
    ...state,
    recorded: new Map([[0, isFirst ? openedThen : openedFirst]]),
    partner: {
      ...partner,
      storage: down.storage,
      incidents: down.incidents,
      recorded: new Map([[0, isFirst ? openedFirst : openedThen]]),
    },
  };
}

describe('an engine taken offline', () => {
  it('is offline in an incident that says who and why, and stays so whatever is found', () => {
    const state = apply(pairOfClusters(), order('take-offline'));
    assert.equal(status(state), 'offline');
    assert.deepEqual(incident(state).hold?.kind, 'planned');
    const [action] = incident(state).actions ?? [];
    assert.deepEqual(
      [action?.by, action?.action, action?.reason],
      ['alice', 'engine.take-offline', 'new memory'],
    );
    assert.equal(refusal(state, judged(state, 'temporary')), 'held');
    assert.equal(refusal(state, judged(state, 'permanent')), 'held');
    assert.equal(decide(state, order('take-offline')).outcome, 'already');
  });

  it('is refused while its partner is not online, unless forced', () => {
    const state = withPartnerDown(pairOfClusters(), 'partner');
    assert.equal(refusal(state, order('take-offline')), 'last-member');
    assert.equal(status(apply(state, order('take-offline', { force: true }))), 'offline');
    assert.equal(
      status(apply(state, order('take-offline', { vdisks: { single: [], mirrored: [] } }))),
      'offline',
      'nobody has data there',
    );
  });

  it('is refused while it has the only copy of something', () => {
    const single = { vdisks: { single: ['v9'], mirrored: [] } };
    assert.equal(refusal(pairOfClusters(), order('take-offline', single)), 'last-member');
  });

  it('comes back through a repair, or as it is when it missed nothing', () => {
    const out = apply(pairOfClusters(), order('take-offline'));
    const back = apply(out, order('bring-online'));
    assert.equal(status(back), 'repair-tmp-outage');
    assert.equal(incident(back).hold, undefined);
    const untouched = decide(out, order('bring-online', { missedWrites: false }));
    assert.equal(untouched.closed?.outcome, 'false-alarm');
    assert.deepEqual(
      untouched.closed?.actions?.map(({ action }) => action),
      ['engine.take-offline', 'engine.bring-online'],
    );
  });

  it('after a failure of its own is held as well', () => {
    const state = apply(apply(pairOfClusters(), failed('p0:1', now)), order('take-offline'));
    assert.equal(refusal(state, judged(state, 'temporary')), 'held');
  });

  it('under repair begins its next attempt', () => {
    const back = apply(apply(pairOfClusters(), order('take-offline')), order('bring-online'));
    const again = apply(back, order('take-offline'));
    assert.deepEqual([status(again), incident(again).attempt], ['offline', 2]);
  });
});

describe('an engine whose partner is down too', () => {
  const down = (first: 'partner' | 'engine'): ClusterState =>
    withPartnerDown(apply(pairOfClusters(), failed('p0:1', now)), first);

  it('comes back by itself when it served last', () => {
    assert.equal(status(apply(down('partner'), order('bring-online'))), 'repair-tmp-outage');
  });

  it('is refused when it is stale', () => {
    assert.equal(refusal(down('engine'), order('bring-online')), 'stale-engine');
  });

  it('comes back stale when somebody gives up what it misses, and that is written down', () => {
    const accepts = { vdisks: [{ vdisk: 'v1', blocks: 7, detail: 'asked its partner' }] };
    const decision = decide(down('engine'), order('bring-online', { accepts }));
    assert.equal(decision.outcome, 'applied', decision.reason);
    assert.equal(decision.next?.storage.servers[0]?.status, 'online');
    assert.equal(decision.closed?.outcome, 'data-loss-accepted');
    assert.deepEqual(
      decision.closed?.lost?.vdisks.map(({ vdisk, blocks }) => [vdisk, blocks]),
      [['v1', 7]],
    );
    assert.deepEqual(decision.remounted, ['v1']);
  });

  it('is stale when a recovery of Tier-1 took both of them out, whichever is asked for', () => {
    const one = down('partner');
    const partner = one.partner ?? assert.fail('no partner');
    const both = (changedIn: number) => new Map([[0, { openedIn: OPENED_BEFORE_ALL, changedIn }]]);
    const state = { ...one, recorded: both(40), partner: { ...partner, recorded: both(50) } };
    assert.equal(refusal(state, order('bring-online')), 'stale-engine');
    assert.equal(refusal({ ...state, recorded: both(60) }, order('bring-online')), 'stale-engine');
    const accepts = { vdisks: [{ vdisk: 'v1', detail: 'nobody knows' }] };
    assert.equal(decide(state, order('bring-online', { accepts })).closed?.outcome, 'data-loss-accepted');
  });

  it('gives nothing up when it is not stale', () => {
    const accepts = { vdisks: [{ vdisk: 'v1', detail: 'unknown' }] };
    const decision = decide(down('partner'), order('bring-online', { accepts }));
    assert.equal(decision.next?.storage.servers[0]?.status, 'repair-tmp-outage');
    assert.equal(decision.incident?.lost, undefined);
  });
});

describe('an engine that served last, and lost its last writes', () => {
  it('waits under repair until somebody gives them up', () => {
    const down = withPartnerDown(apply(pairOfClusters(), failed('p0:1', now)), 'partner');
    const waiting = apply(down, order('bring-online'));
    assert.equal(decide(waiting, order('bring-online')).outcome, 'already');
    const accepts = { vdisks: [{ vdisk: 'v1', detail: 'its tail' }] };
    const given = decide(waiting, order('bring-online', { accepts }));
    assert.deepEqual(
      [given.next?.storage.servers[0]?.status, given.closed?.outcome, given.closed?.attempt],
      ['online', 'data-loss-accepted', 2],
    );
  });
});

describe('an engine that is retired', () => {
  it('is replaced by a spare in one step, and leaves when that is filled', () => {
    const decision = decide(pairOfClusters(), order('retire'));
    const steps = decision.effects.flatMap((event) =>
      event.type === 'engine.status-changed' ? [event.payload.to] : [],
    );
    assert.deepEqual(steps, ['offline', 'repair-final-outage']);
    const state = decision.next ?? assert.fail(decision.reason);
    assert.equal(state.storage.servers[0]?.replacement?.address, 'spare0:1');
    const done = apply(state, completed(state));
    assert.equal(done.storage.servers[0]?.address, 'spare0:1');
    assert.deepEqual(
      done.record.retired.map(({ address }) => address),
      ['p0:1'],
    );
    assert.equal(decide(done, order('retire')).outcome, 'already');
  });

  it('is replaced by the spare that is asked for, and by no other', () => {
    const onto = { onto: { address: 'spare1:1', db: 0 } };
    const state = apply(pairOfClusters(), order('retire', onto));
    assert.equal(state.storage.servers[0]?.replacement?.address, 'spare1:1');
    assert.deepEqual(
      state.record.spares.map(({ address }) => address),
      ['spare0:1'],
    );
    const stranger = { onto: { address: 'stranger:1', db: 0 } };
    assert.equal(refusal(pairOfClusters(), order('retire', stranger)), 'not-a-spare');
  });

  it('is not, without a spare, or without a second copy to fill it from', () => {
    assert.equal(refusal(pairOfClusters(3, []), order('retire')), 'no-spare');
    assert.equal(
      refusal(pairOfClusters(), order('retire', { vdisks: { single: ['v9'], mirrored: [] } })),
      'only-copy',
    );
    assert.equal(refusal(withPartnerDown(pairOfClusters(), 'partner'), order('retire')), 'last-member');
  });

  it('as an idle spare just goes', () => {
    const decision = decide(pairOfClusters(), order('retire', { address: 'spare0:1' }));
    assert.equal(decision.code, 'spare-retired');
    assert.deepEqual(
      decision.next?.record.spares.map(({ address }) => address),
      ['spare1:1'],
    );
    assert.deepEqual(
      decision.next?.record.retired.map(({ address }) => address),
      ['spare0:1'],
    );
  });
});

describe('an engine that keeps failing', () => {
  const policy = { flapping: { failures: 3, windowMs: 10_000 } };
  const flapping = (): ClusterState => {
    let state = pairOfClusters();
    for (let life = 1; life <= 3; life++) {
      state = apply(state, failed('p0:1', now), policy);
      if (life === 3) break;
      state = apply(state, judged(state, 'temporary'), policy);
      state = apply(state, completed(state), policy);
    }
    return state;
  };

  it('is held offline until its incident is acknowledged', () => {
    const state = flapping();
    const held = decide(state, judged(state, 'temporary'), policy);
    assert.deepEqual([held.outcome, held.code], ['applied', 'held']);
    const after = held.next ?? assert.fail();
    assert.deepEqual([status(after), incident(after).hold?.kind], ['offline', 'flapping']);
    assert.equal(refusal(after, judged(after, 'temporary')), 'held');
    const seen = apply(after, order('acknowledge', { incident: incident(after).id }));
    assert.equal(incident(seen).acknowledged?.by, 'alice');
    assert.equal(status(apply(seen, judged(seen, 'temporary'), policy)), 'repair-tmp-outage');
  });

  it('is rebuilt all the same when it is lost', () => {
    const state = flapping();
    const held = apply(state, judged(state, 'temporary'), policy);
    assert.equal(status(apply(held, judged(held, 'permanent'), policy)), 'repair-final-outage');
  });

  it('slowly enough does not flap', () => {
    const rare = { flapping: { failures: 3, windowMs: 1 } };
    const state = flapping();
    assert.equal(status(apply(state, judged(state, 'temporary'), rare)), 'repair-tmp-outage');
  });
});

describe('a repair', () => {
  const underRepair = (verdict: string): ClusterState => {
    const state = apply(pairOfClusters(), failed('p0:1', now));
    return apply(state, judged(state, verdict));
  };
  const about = (state: ClusterState): object => ({ incident: incident(state).id });

  it('that is cancelled leaves its engine offline, and goes on when it is resumed', () => {
    const state = underRepair('temporary');
    const stopped = apply(state, order('cancel-repair', about(state)));
    assert.deepEqual([status(stopped), incident(stopped).hold?.kind], ['offline', 'cancelled']);
    assert.equal(refusal(stopped, judged(stopped, 'temporary')), 'held');
    assert.equal(decide(stopped, order('cancel-repair', about(state))).outcome, 'already');
    assert.equal(refusal(stopped, completed(stopped)), 'not-under-repair');
    const resumed = apply(stopped, order('retry-repair', about(state)));
    assert.deepEqual([status(resumed), incident(resumed).attempt], ['repair-tmp-outage', 2]);
  });

  it('onto a spare that is cancelled gives the spare up, and takes another one when it is resumed', () => {
    const state = underRepair('permanent');
    const stopped = apply(state, order('cancel-repair', about(state)));
    assert.deepEqual(
      stopped.record.retired.map(({ address }) => address),
      ['spare0:1'],
    );
    const resumed = apply(stopped, order('retry-repair', about(state)));
    assert.equal(resumed.storage.servers[0]?.replacement?.address, 'spare1:1');
    assert.equal(resumed.storage.servers[0]?.replacement?.generation, 3);
  });

  it('is begun anew once for each operation, onto the same spare', () => {
    const state = underRepair('permanent');
    const retry = order('retry-repair', about(state));
    const again = apply(state, retry);
    assert.deepEqual([status(again), incident(again).attempt], ['repair-final-outage', 2]);
    assert.equal(again.storage.servers[0]?.replacement?.address, 'spare0:1');
    assert.equal(decide(again, retry).outcome, 'already');
  });

  it('of one vdisk is noted for its owner, unless it is done', () => {
    const state = underRepair('temporary');
    const noted = decide(state, order('retry-repair', { ...about(state), vdisk: 'v1' }));
    assert.deepEqual([noted.code, noted.effects], ['noted', []]);
    const done = { ...about(state), vdisk: 'v1', repaired: new Set(['v1']) };
    assert.equal(decide(state, order('retry-repair', done)).outcome, 'already');
  });

  it('that nobody asked for is not retried', () => {
    const state = apply(pairOfClusters(), failed('p0:1', now));
    assert.equal(refusal(state, order('retry-repair', about(state))), 'no-repair');
    assert.equal(refusal(state, order('cancel-repair', about(state))), 'no-repair');
  });
});

describe('while healing is held back', () => {
  const by = { by: 'alice', at: 1, reason: 'moving racks', operation: 'op-hold' };
  const offline = (): ClusterState => apply(pairOfClusters(), failed('p0:1', now));
  const log = { downtimes: [], log: [] };

  it('everywhere or on the cluster, an analyzer is not heard and an operator is', () => {
    for (const controls of [{ everywhere: { ...log, pause: by } }, { cluster: { ...log, pause: by } }]) {
      const state = { ...offline(), controls };
      assert.equal(refusal(state, judged(state, 'temporary')), 'healing-paused');
      assert.equal(refusal(state, judged(state, 'permanent')), 'healing-paused');
      assert.equal(status(apply(state, order('bring-online'))), 'repair-tmp-outage');
    }
  });

  it('failures are recorded and what is repaired comes online', () => {
    const controls = { everywhere: { ...log, pause: by } };
    const down = apply({ ...pairOfClusters(), controls }, failed('p0:1', now));
    assert.equal(status(down), 'offline');
    const back = apply(down, order('bring-online'));
    assert.equal(status(apply(back, completed(back))), 'online');
  });

  it('by a downtime, it is for its time, and for its engine', () => {
    const window = (until: number, address?: string): ClusterState => {
      const downtime = { ...by, id: 'd', begunAt: 1, until, ...(address === undefined ? {} : { address }) };
      return { ...offline(), controls: { cluster: { log: [], downtimes: [downtime] } } };
    };
    const far = now + 100_000;
    for (const state of [window(far), window(far, 'p0:1')])
      assert.equal(refusal(state, judged(state, 'temporary')), 'downtime');
    for (const state of [window(now), window(far, 'p1:1')])
      assert.equal(status(apply(state, judged(state, 'temporary'))), 'repair-tmp-outage');
  });
});
