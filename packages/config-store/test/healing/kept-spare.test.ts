import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stateOfStatus } from '../../src/cluster-storage.ts';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { judgeCluster } from '../../src/healing/cluster-status.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import type { EngineStatusInput } from '../../src/healing/engine-status-decision.ts';
import type { Verdict } from '../../src/healing/records.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const mirrored = { single: [], mirrored: ['v1'] };

function apply(state: ClusterState, input: object, now: number): ClusterState {
  const full = { operation: `op-${now}`, by: 'somebody', reason: 'because', ...input };
  const decision = decideEngineStatus(state, full as EngineStatusInput, now);
  assert.equal(decision.outcome, 'applied', decision.reason);
  return decision.next ?? assert.fail();
}

function codeOf(state: ClusterState, input: object): string {
  const full = { operation: 'op-refused', by: 'somebody', reason: 'because', ...input };
  return decideEngineStatus(state, full as EngineStatusInput, 9_000).code;
}

function fails(state: ClusterState, address: string, at: number): ClusterState {
  return apply(state, { kind: 'failure-reported', address, reporter: 'nbd-1', detectedAt: at }, at);
}

function verdict(state: ClusterState, word: Verdict): object {
  const { id: incident, attempt } = state.incidents.get(0) ?? assert.fail();
  return { kind: 'verdict', incident, attempt, verdict: word, evidence: [] };
}

/** What the slave cluster of the pair is at shard 0. */
function partnerIs(state: ClusterState, status: 'online' | 'offline' | 'repair-tmp-outage'): ClusterState {
  const { partner, storage, record } = state;
  const entry = partner?.storage.servers[0];
  assert.ok(partner !== undefined && entry !== undefined);
  const servers = partner.storage.servers.with(0, { ...entry, status, state: stateOfStatus[status] });
  const judged = judgeCluster(storage.servers, record.role, servers);
  return {
    ...state,
    record: { ...record, status: judged.status },
    partner: { ...partner, storage: { servers } },
  };
}

/** p0 is lost, spare0 is being filled. */
function underRebuild(): ClusterState {
  const offline = fails(pairOfClusters(), 'p0:1', 1_000);
  return apply(offline, verdict(offline, 'permanent'), 1_100);
}

/** As before, and spare0 failed while the partner was down. */
function kept(): ClusterState {
  return fails(partnerIs(underRebuild(), 'offline'), 'spare0:1', 1_200);
}

function retired({ record }: ClusterState): string[] {
  return record.retired.map(({ address }) => address);
}

const spare0 = { address: 'spare0:1', db: 0, generation: 2 };

describe('a spare that fails while it is filled, and its partner is down', () => {
  it('stays: it may have writes that no other engine has', () => {
    for (const status of ['offline', 'repair-tmp-outage'] as const) {
      const state = fails(partnerIs(underRebuild(), status), 'spare0:1', 1_200);
      const [entry, incident] = [state.storage.servers[0], state.incidents.get(0)];
      assert.deepEqual(
        [entry?.status, entry?.replacement, incident?.replacement],
        ['offline', spare0, spare0],
      );
      assert.deepEqual([incident?.attempt, incident?.verdict, incident?.spareSince], [2, undefined, 1]);
      assert.deepEqual(retired(state), []);
    }
    assert.deepEqual(retired(fails(underRebuild(), 'spare0:1', 1_200)), ['spare0:1'], 'else it goes at once');
  });

  it('goes on being filled when it is back, under the same name', () => {
    for (const word of ['temporary', 'false_alarm'] as const) {
      const again = apply(kept(), verdict(kept(), word), 1_300);
      const [entry, incident] = [again.storage.servers[0], again.incidents.get(0)];
      assert.deepEqual([entry?.status, entry?.replacement], ['repair-final-outage', spare0]);
      assert.deepEqual([incident?.attempt, incident?.repairKind, incident?.spareSince], [2, 'spare', 1]);
      assert.deepEqual(
        again.record.spares.map(({ address }) => address),
        ['spare1:1'],
      );
    }
  });

  it('is followed by another one only when it is judged lost', () => {
    const rebuilt = apply(kept(), verdict(kept(), 'permanent'), 1_300);
    assert.deepEqual(rebuilt.storage.servers[0]?.replacement, { address: 'spare1:1', db: 0, generation: 3 });
    assert.deepEqual(retired(rebuilt), ['spare0:1']);
    assert.equal(rebuilt.incidents.get(0)?.spareSince, 2, 'what the first one got is not on this one');
  });

  it('is still waited for when it is judged lost and there is no other one', () => {
    const poor = { ...kept(), record: { ...kept().record, spares: [] } };
    const waiting = apply(poor, verdict(poor, 'permanent'), 1_300);
    assert.deepEqual(waiting.storage.servers[0]?.replacement, spare0);
    const back = apply(waiting, verdict(waiting, 'temporary'), 1_400);
    assert.deepEqual(
      [back.storage.servers[0]?.status, back.storage.servers[0]?.replacement],
      ['repair-final-outage', spare0],
    );
  });

  it('is let go when the blocks of its pair are spread instead', () => {
    const poor = { ...kept(), record: { ...kept().record, spares: [] } };
    const waiting = partnerIs(apply(poor, verdict(poor, 'permanent'), 1_300), 'online');
    const { id: incident, attempt } = waiting.incidents.get(0) ?? assert.fail();
    const spread = apply(waiting, { kind: 'spread', incident, attempt, afterMs: 0, hindrance: null }, 1_400);
    const entry = spread.storage.servers[0];
    assert.deepEqual([entry?.status, entry?.replacement], ['repair-final-outage', undefined]);
    assert.deepEqual([spread.incidents.get(0)?.replacement, retired(spread)], [undefined, ['spare0:1']]);
  });

  it('is held when it comes back without acknowledged writes, and stays', () => {
    const again = apply(kept(), verdict(kept(), 'temporary'), 1_300);
    const { id: incident, attempt } = again.incidents.get(0) ?? assert.fail();
    const held = apply(again, { kind: 'writes-lost', incident, attempt }, 1_400);
    const now = held.incidents.get(0);
    assert.deepEqual(
      [now?.status, now?.attempt, now?.hold?.kind, held.storage.servers[0]?.replacement],
      ['offline', 3, 'writes-lost', spare0],
    );
    const { code, reason } = decideEngineStatus(
      held,
      { ...verdict(held, 'temporary'), by: 'analyzer', operation: 'op', reason: '' } as EngineStatusInput,
      1_500,
    );
    assert.equal(code, 'held');
    assert.match(reason, /spare0:1 lost writes that no other engine has/);
  });

  it('is brought back by an operator through its rebuild, never as it is', () => {
    const order = { kind: 'bring-online', address: 'spare0:1' };
    assert.equal(codeOf(kept(), { ...order, accepts: { vdisks: [] } }), 'under-rebuild');
    const back = apply(kept(), order, 1_300);
    assert.deepEqual(
      [back.storage.servers[0]?.status, back.storage.servers[0]?.replacement],
      ['repair-final-outage', spare0],
    );
  });

  it('leaves when the engine that it was to replace is brought back with the loss that somebody accepts', () => {
    const order = { kind: 'bring-online', address: 'p0:1' };
    assert.equal(codeOf(kept(), order), 'stale-engine');
    const back = apply(kept(), { ...order, accepts: { vdisks: [] } }, 1_300);
    const entry = back.storage.servers[0];
    assert.deepEqual([entry?.address, entry?.status, entry?.replacement], ['p0:1', 'online', undefined]);
    assert.deepEqual([retired(back), back.incidents.size], [['spare0:1'], 0]);
  });
});

describe('an engine that serves with a loss that somebody accepted', () => {
  it('says so until it has been repaired: its owners would find signs of that loss', () => {
    const { id } = kept().incidents.get(0) ?? assert.fail();
    const order = { kind: 'bring-online', address: 'p0:1', accepts: { vdisks: [] } };
    const back = apply(kept(), order, 1_300);
    assert.equal(back.storage.servers[0]?.acceptedLoss, id);
    const away = fails(partnerIs(back, 'online'), 'p0:1', 1_400);
    const again = apply(away, verdict(away, 'temporary'), 1_500);
    assert.equal(again.storage.servers[0]?.acceptedLoss, id);
    const { id: incident, attempt } = again.incidents.get(0) ?? assert.fail();
    const repaired = new Set(['v1']);
    const whole = apply(
      again,
      { kind: 'repairs-complete', incident, attempt, repaired, vdisks: repaired },
      1_600,
    );
    assert.deepEqual(
      [whole.storage.servers[0]?.status, whole.storage.servers[0]?.acceptedLoss],
      ['online', undefined],
    );
  });
});

describe('a spare that is filled while its partner is down', () => {
  it('is not let go by a cancelled repair, nor retired', () => {
    const state = partnerIs(underRebuild(), 'offline');
    const { id: incident } = state.incidents.get(0) ?? assert.fail();
    assert.equal(codeOf(state, { kind: 'cancel-repair', incident }), 'last-member');
    assert.equal(codeOf(kept(), { kind: 'retire', address: 'spare0:1', vdisks: mirrored }), 'last-member');
    const cancelled = apply(underRebuild(), { kind: 'cancel-repair', incident }, 1_200);
    assert.deepEqual(retired(cancelled), ['spare0:1'], 'with a partner that has everything it goes');
  });
});
