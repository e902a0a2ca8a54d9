import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterState, RecordedAt } from '../../src/healing/cluster-state.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import type { EngineStatusInput } from '../../src/healing/engine-status-decision.ts';
import {
  lostShards,
  type PairedClusters,
  pairedClusters,
  planPairs,
  withoutLostEngines,
} from '../../src/recovery/surviving-configuration.ts';
import { pairOfClusters } from '../healing/cluster-fixture.ts';

const cause = { by: 'alice', operation: 'op', at: 5_000 };
const automatically = { ordered: false };

function decided({ primary, slave }: PairedClusters, side: 'p' | 's', input: object): PairedClusters {
  assert.ok(slave !== null);
  const [own, other] = side === 'p' ? [primary, slave] : [slave, primary];
  const { cluster, storage, record, incidents } = other;
  const state: ClusterState = { ...own, partner: { cluster, storage, record, incidents } };
  const about = { operation: `op-${side}`, address: `${side}1:1`, ...input } as unknown as EngineStatusInput;
  const { next, reason } = decideEngineStatus(state, about, 1_000);
  assert.ok(next !== undefined, reason);
  const both = pairedClusters(next);
  assert.ok(both.slave !== null);
  return side === 'p' ? both : { primary: both.slave, slave: both.primary };
}

/** Pair 1 is down on both sides, each side judged in its way; `first` went offline before the other. */
function down(first: 'p' | 's', verdicts: Readonly<Record<'p' | 's', string>>): PairedClusters {
  let clusters = pairedClusters(pairOfClusters(3, []));
  for (const side of ['p', 's'] as const) {
    const report = { kind: 'failure-reported', reporter: 'nbd-1', reason: 'gone', detectedAt: 1_000 };
    clusters = decided(clusters, side, report);
    const verdict = { kind: 'verdict', operator: true, reason: 'seen', evidence: [], by: 'alice' };
    clusters = decided(clusters, side, { ...verdict, verdict: verdicts[side] });
  }
  const openedIn = (side: 'p' | 's'): Map<number, RecordedAt> => {
    const revision = side === first ? 10 : 20;
    return new Map([[1, { openedIn: revision, changedIn: revision + 1 }]]);
  };
  const { primary, slave } = clusters;
  assert.ok(slave !== null);
  return {
    primary: { ...primary, recorded: openedIn('p') },
    slave: { ...slave, recorded: openedIn('s') },
  };
}

describe('the configuration that survives', () => {
  it('has the stale member of a pair serve again when the one that served last is gone for good', () => {
    const clusters = down('s', { p: 'permanent', s: 'temporary' });
    const { shards } = lostShards(clusters, automatically);
    assert.deepEqual(shards, [1]);
    const pairs = planPairs(clusters, shards);
    assert.deepEqual(
      pairs.map(({ way, survivor }) => [way, survivor?.address]),
      [['survivor', 's1:1']],
    );
    const { clusters: next, closed } = withoutLostEngines(clusters, pairs, cause);
    assert.equal(next.slave?.storage.servers[1]?.status, 'online');
    assert.equal(next.slave.storage.servers[1].generation, 1, 'it is who it was');
    assert.equal(next.primary.storage.servers[1]?.status, 'offline', 'it is rebuilt as ever');
    assert.deepEqual(
      closed.map(({ cluster, outcome }) => [cluster, outcome]),
      [['s', 'recovered']],
    );
  });

  it('needs nothing from the log where the member that served last is the one that is back', () => {
    const clusters = down('p', { p: 'permanent', s: 'temporary' });
    assert.deepEqual(lostShards(clusters, automatically).shards, []);
  });

  it('gives a pair up whose members are both gone, and no other', () => {
    const clusters = down('p', { p: 'permanent', s: 'permanent' });
    const { shards } = lostShards(clusters, automatically);
    const { clusters: next } = withoutLostEngines(clusters, planPairs(clusters, shards), cause);
    for (const side of [next.primary, next.slave])
      assert.deepEqual(
        side?.storage.servers.map(({ status }) => status),
        ['online', 'rip', 'online'],
      );
  });
});
