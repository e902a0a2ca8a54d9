import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownerKey, RECOVERIES_PREFIX, type RecoveryRecord, readRecovery } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { Announcements } from '../../src/announcements.ts';
import { decideRecoverable } from '../../src/recovery/recoverable.ts';
import { RecoveryWatch } from '../../src/recovery/recovery-watch.ts';
import { UnavailableWatch } from '../../src/unavailable/unavailable-watch.ts';
import { CommandDesk } from '../command-desk.ts';
import { address, type CoordinatedCluster } from '../coordinated-cluster.ts';

const BLOCKS_OF_SHARD = (1 << 30) / 4096 / 2;

async function watching({ store, log }: CoordinatedCluster): Promise<AsyncDisposable> {
  const unavailable = new UnavailableWatch({ store, access: { timeoutMs: 300 }, log });
  const recoveries = new RecoveryWatch({ store, log, by: 'test' });
  await unavailable.start();
  await recoveries.start();
  return {
    async [Symbol.asyncDispose]() {
      await recoveries.stop();
      await unavailable.stop();
    },
  };
}

async function lose(cluster: CoordinatedCluster, shard: number): Promise<void> {
  for (const role of ['primary', 'slave'] as const) {
    await cluster.fail(address(role, shard));
    await cluster.judge(address(role, shard), 'permanent');
  }
}

const prepared = (cluster: CoordinatedCluster): Promise<RecoveryRecord> =>
  until(
    async () => {
      const recovery = await readRecovery(cluster.store, 'p1');
      return recovery?.status === 'prepared' && recovery.vdisks.length > 0 ? recovery : null;
    },
    { what: 'a plan', timeoutMs: 15_000 },
  );

describe('the recovery of a pair whose members are both gone for good', () => {
  it('is prepared by itself, announced once, and waits for an operator', async () => {
    await using desk = await CommandDesk.open();
    const { cluster } = desk;
    await cluster.addVdisks('v1');
    const begins = { number: 0, sequence: 0 };
    const config = { container: 0, containers: 4, policy: 'block', enabledBy: 'op', at: 1, begins };
    const log = { key: '/salvor/tlogs/v1/config', value: JSON.stringify(config) };
    await cluster.store.transact({ compare: [], puts: [log] });
    await cluster.addVdisks('v2');
    await using _watching = await watching(cluster);
    await lose(cluster, 0);
    const { id, vdisks } = await prepared(cluster);
    assert.deepEqual(
      vdisks.map(({ vdisk, blocks, counted, recoverable, why }) => [
        vdisk,
        blocks,
        counted,
        recoverable,
        why,
      ]),
      [
        ['v1', BLOCKS_OF_SHARD, false, 'all', undefined],
        ['v2', BLOCKS_OF_SHARD, false, 'nothing', 'it has no log'],
      ],
    );
    const { recovery } = await desk.done('dr.plan', { cluster: 'p1' });
    const { recovery: again } = await desk.done('dr.status', { cluster: 'p1' });
    for (const shown of [recovery, again] as { recovery: string; pairs: { way: string }[] }[]) {
      assert.equal(shown.recovery, id);
      assert.deepEqual(
        shown.pairs.map(({ way }) => way),
        ['rip'],
      );
    }
    const announcements = new Announcements();
    const { entries } = await cluster.store.list(RECOVERIES_PREFIX);
    const told = entries.flatMap((entry) => announcements.of({ key: entry.key, entry, previous: null }));
    assert.deepEqual(
      told.map(({ type, payload }) => [type, 'to' in payload && payload.to]),
      [['recovery.status-changed', 'prepared']],
    );
  });

  it('is not begun while a vdisk is owned, is begun once, and can be dropped', async () => {
    await using desk = await CommandDesk.open();
    const { cluster } = desk;
    const { store } = cluster;
    await cluster.addVdisks('v1');
    await desk.refused('dr.plan', { cluster: 'p1' }, 'nothing-lost');
    await using _watching = await watching(cluster);
    await lose(cluster, 1);
    await prepared(cluster);
    const owner = { key: ownerKey('v1'), value: '{"server":"nbd-7","instance":"i","since":1}' };
    await store.transact({ compare: [], puts: [owner] });
    const replay = { cluster: 'p1', operationId: 'op-r' };
    const why = await desk.refused('dr.replay', replay, 'vdisk-owned');
    assert.match(why, /v1 by nbd-7/);
    await desk.refused('dr.replay', { cluster: 'p1', before: 5 }, 'invalid-revisions');
    await store.transact({ compare: [], deletes: [owner.key] });
    assert.equal((await desk.done('dr.replay', replay)).outcome, 'applied');
    assert.equal((await desk.done('dr.replay', replay)).outcome, 'already');
    assert.equal((await desk.done('dr.cancel', { cluster: 'p1' })).outcome, 'applied');
  });

  it('depends on what is known of the logs', () => {
    const loss = { vdisk: 'v1', type: 'db', blocks: 3, counted: true };
    const begins = { number: 0, sequence: 0 };
    const config = { container: 0, containers: 4, policy: 'block', enabledBy: 'op', at: 1, begins } as const;
    const state = { status: 'broken', reason: 'Tier-1 was full', since: 1, sequence: 9 } as const;
    const broken = decideRecoverable(loss, { config, state });
    assert.deepEqual([broken.recoverable, broken.why], ['part', 'its log is not whole: Tier-1 was full']);
    const whole = { config, state: { ...state, status: 'whole' } } as const;
    assert.equal(decideRecoverable({ ...loss, type: 'boot' }, whole).recoverable, 'nothing');
    assert.equal(decideRecoverable(loss, whole).recoverable, 'all');
    assert.equal(decideRecoverable(loss, null).recoverable, 'nothing');
  });
});
