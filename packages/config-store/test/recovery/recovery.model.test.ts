/** Random lives of a pair of clusters whose engines are lost for good, and of the recoveries that follow. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { assertClusterState, type ClusterState } from '../../src/healing/cluster-state.ts';
import { judged } from '../../src/healing/cluster-status.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import { decideRecovery } from '../../src/recovery/recovery-decision.ts';
import type { RecoveryInput } from '../../src/recovery/recovery-input.ts';
import {
  type RecoveryRecord,
  type RecoveryVdisk,
  recoverySchema,
} from '../../src/recovery/recovery-record.ts';
import { type PairedClusters, pairedClusters } from '../../src/recovery/surviving-configuration.ts';
import { pairOfClusters } from '../healing/cluster-fixture.ts';

const SHARDS = 3;
const VDISKS: readonly RecoveryVdisk[] = [
  { vdisk: 'v1', blocks: 10, counted: true, recoverable: 'all' },
  { vdisk: 'v2', blocks: 20, counted: false, recoverable: 'all' },
  { vdisk: 'v3', blocks: 5, counted: true, recoverable: 'nothing', why: 'it has no log' },
];

const step = fc.record({
  kind: fc.constantFrom(
    ...(['fail', 'fail', 'judge', 'judge', 'lose', 'lose', 'spare', 'spare'] as const),
    ...(['prepare', 'prepare', 'order', 'begin', 'begin', 'written', 'restore', 'restore'] as const),
    ...(['finished', 'finished', 'cancel', 'give-up', 'stale'] as const),
  ),
  side: fc.constantFrom('primary' as const, 'slave' as const),
  shard: fc.nat(SHARDS - 1),
  vdisk: fc.constantFrom('v1', 'v2'),
  passes: fc.nat(100),
});

/** As the other side sees it. */
function seenFrom({ primary, slave }: PairedClusters, side: 'primary' | 'slave'): ClusterState {
  assert.ok(slave !== null);
  const [own, other] = side === 'primary' ? [primary, slave] : [slave, primary];
  const { cluster, storage, record, incidents } = other;
  return { ...own, partner: { cluster, storage, record, incidents } };
}

it('takes lost engines out once, keeps what was before, and is done only when every vdisk that can be whole is', () => {
  const reached = new Set<string>();
  const property = fc.property(fc.array(step, { minLength: 30, maxLength: 120 }), (steps) => {
    let clusters: PairedClusters = pairedClusters(pairOfClusters(SHARDS, ['spare0:1', 'spare1:1']));
    const life: { recovery: RecoveryRecord | null } = { recovery: null };
    let restored = new Set<string>();
    let now = 1_000;
    let spares = 0;
    /** Engines that were taken out, as `address/generation`: none of them may ever serve again. */
    const out = new Set<string>();

    const status = (side: 'primary' | 'slave', input: Parameters<typeof decideEngineStatus>[1]): void => {
      const { next } = decideEngineStatus(seenFrom(clusters, side), input, now);
      if (next === undefined) return;
      const both = pairedClusters(next);
      assert.ok(both.slave !== null);
      clusters = side === 'primary' ? both : { primary: both.slave, slave: both.primary };
    };
    const fail = (side: 'primary' | 'slave', shard: number, index: number): void => {
      const address = clusters[side]?.storage.servers[shard]?.address ?? '';
      status(side, {
        ...{ kind: 'failure-reported', address, reporter: 'nbd-1', reason: 'gone' },
        ...{ operation: `fail-${index}-${side}`, detectedAt: now },
      });
    };
    const judge = (side: 'primary' | 'slave', shard: number, index: number): void => {
      const address = clusters[side]?.storage.servers[shard]?.address ?? '';
      status(side, {
        ...{ kind: 'verdict', verdict: 'permanent', reason: 'lost', evidence: [], by: 'alice' },
        ...{ operation: `judge-${index}-${side}`, operator: true, address },
      });
    };
    const decide = (input: RecoveryInput): void => {
      const before = life.recovery;
      const servers = { p: clusters.primary.storage.servers, s: clusters.slave?.storage.servers };
      const decision = decideRecovery(
        { cluster: seenFrom(clusters, 'primary'), recovery: before },
        input,
        now,
      );
      reached.add(`${input.kind} ${decision.code}`);
      if (decision.outcome !== 'applied') {
        assert.equal(decision.clusters, undefined);
        return;
      }
      const recovery = parseRecord(recoverySchema, 'k', JSON.stringify(decision.recovery));
      life.recovery = recovery;
      clusters = decision.clusters ?? clusters;
      if (before?.id === recovery.id && before.after !== undefined)
        assert.deepEqual(recovery.before, before.before, 'what was before stays known');
      if (before?.attempt !== recovery.attempt || before.id !== recovery.id) restored = new Set();
      if (decision.code === 'begun') {
        for (const pair of recovery.pairs) {
          assert.ok(pair.applied && pair.way !== 'none');
          for (const { role, address, generation, replacement } of pair.members) {
            const entry = clusters[role]?.storage.servers[pair.shard];
            if (pair.way === 'rip') assert.equal(entry?.status, 'rip');
            out.add(`${role}/${pair.shard}/${address}/${generation}`);
            if (replacement !== undefined) assert.ok(replacement.generation > generation);
          }
        }
        const touched = new Set(recovery.pairs.map(({ shard }) => shard));
        for (let shard = 0; shard < SHARDS; shard++) {
          if (touched.has(shard)) continue;
          assert.deepEqual(
            clusters.primary.storage.servers[shard],
            servers.p[shard],
            'others are not touched',
          );
          assert.deepEqual(clusters.slave?.storage.servers[shard], servers.s?.[shard]);
        }
      } else {
        assert.equal(clusters.primary.storage.servers, servers.p, 'only a beginning changes engines');
      }
      if (decision.code === 'done') assert.ok(['v1', 'v2'].every((vdisk) => restored.has(vdisk)));
    };

    for (const [index, { kind, side, shard, vdisk, passes }] of steps.entries()) {
      now += passes;
      const order = { by: 'alice', operation: `op-${index}` };
      const about = { ...order, recovery: life.recovery?.id ?? 'none', attempt: life.recovery?.attempt ?? 1 };
      const read = { storage: `p at ${index}`, slaveStorage: `s at ${index}`, revision: String(index) };
      switch (kind) {
        case 'fail':
          fail(side, shard, index);
          break;
        case 'judge':
          judge(side, shard, index);
          break;
        case 'lose':
          for (const each of ['primary', 'slave'] as const) {
            fail(each, shard, index);
            judge(each, shard, index);
          }
          break;
        case 'spare': {
          const spare = { address: `new${++spares}:1`, db: 0 };
          const own = clusters[side];
          if (own === null) break;
          const record = { ...own.record, spares: [...own.record.spares, spare] };
          clusters = { ...clusters, [side]: { ...own, record } };
          break;
        }
        case 'prepare':
        case 'order':
          decide({ ...order, kind: 'prepare', vdisks: VDISKS, read, ordered: kind === 'order' });
          break;
        case 'begin':
          decide({ ...order, kind: 'begin' });
          break;
        case 'written':
          decide({ ...about, kind: 'written' });
          break;
        case 'restore':
          if (['replaying', 'verifying'].includes(life.recovery?.status ?? '')) restored.add(vdisk);
          break;
        case 'finished':
          decide({ ...about, kind: 'finished', restored });
          break;
        case 'cancel':
          decide({ ...order, kind: 'cancel' });
          break;
        case 'give-up':
          decide({ ...about, kind: 'fail', reason: 'the log has a gap' });
          break;
        case 'stale':
          decide({ ...about, attempt: about.attempt + 1, kind: 'written' });
          break;
      }
      const record = life.recovery;
      for (const each of ['primary', 'slave'] as const) {
        const seen = seenFrom(clusters, each);
        assertClusterState(seen);
        const { storage, record: own, partner } = seen;
        assert.equal(own.status, judged(own, storage.servers, partner?.storage.servers).status);
        for (const [at, { address, generation, status: now_ }] of storage.servers.entries())
          if (now_ !== 'rip') assert.ok(!out.has(`${each}/${at}/${address}/${generation}`), 'no way back in');
        const places = storage.servers.flatMap(({ address, replacement, status: now_ }) =>
          now_ === 'rip' ? [] : [address, ...(replacement === undefined ? [] : [replacement.address])],
        );
        assert.equal(new Set(places).size, places.length, 'an engine has one place');
        assert.ok(
          storage.servers.some(({ status: now_ }) => now_ !== 'rip'),
          'somewhere is left',
        );
        if (own.recovery !== undefined) {
          assert.equal(own.status, 'unhealthy');
          assert.equal(own.recovery, record?.id);
          assert.notEqual(record?.status, 'done');
        }
      }
    }
  });
  fc.assert(property, { numRuns: 400 });
  const expected = [
    ...['prepare prepared', 'prepare same-state', 'prepare nothing-lost', 'prepare not-permanent'],
    ...['prepare was-cancelled', 'begin begun', 'begin begun-again', 'begin engines-needed'],
    ...['begin no-recovery', 'begin over', 'begin under-way', 'written written', 'written stale-attempt'],
    ...['finished done', 'finished vdisks-missing', 'cancel cancelled', 'fail failed'],
  ];
  assert.deepEqual(
    expected.filter((one) => !reached.has(one)),
    [],
  );
});
