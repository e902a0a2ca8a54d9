import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  acceptLoss,
  applyEngineStatus,
  applyRecovery,
  busyVdisks,
  type ConfigStore,
  closedIncidentKey,
  closedIncidentSchema,
  createVdisk,
  formatRecord,
  lockVdisks,
  noteStaleBatches,
  openStore,
  ownerKey,
  parseRecord,
  type RecoveryRecord,
  type RecoveryVdisk,
  readRecovery,
  recoveredVdisks,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
  vdiskRestored,
} from '@salvor/config-store';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure, type Pair, recordOf, serversOf } from '../healing/store-fixture.ts';

const order = { by: 'alice', operation: 'op-dr' };
const v1: RecoveryVdisk = { vdisk: 'v1', blocks: 3, counted: true, recoverable: 'all' };
const v2: RecoveryVdisk = {
  ...{ vdisk: 'v2', blocks: 7, counted: false, recoverable: 'nothing', why: 'it has no log' },
};

describe('a recovery in etcd', () => {
  let etcd: EtcdServer;
  let store: ConfigStore;
  before(async () => {
    etcd = await EtcdServer.start();
    store = openStore({ endpoints: [etcd.endpoint] });
  });
  after(async () => {
    store.close();
    await etcd.remove();
  });

  async function lose(pair: Pair, shard: number): Promise<string[]> {
    const incidents: string[] = [];
    for (const of of ['primary', 'slave'] as const) {
      const address = pair.address(of, shard);
      await applyEngineStatus(store, failure(address));
      const { incident, reason } = await applyEngineStatus(store, {
        ...{ kind: 'verdict', verdict: 'permanent', reason: 'burnt', evidence: [], by: 'alice' },
        ...{ operation: `judge-${address}`, operator: true, address },
      });
      incidents.push(incident?.id ?? assert.fail(reason));
    }
    return incidents;
  }

  async function vdisk(pair: Pair, id: string): Promise<void> {
    const shape = { vdisk: id, type: 'db', sizeGiB: 1, blockSize: 4096, readOnly: false };
    const place = { cluster: pair.primary, slaveCluster: pair.slave };
    const made = await createVdisk(store, { ...shape, ...place }, { operation: `create-${id}`, by: 'test' });
    assert.equal(made.outcome, 'applied', made.reason);
  }

  async function begun(pair: Pair, vdisks: readonly RecoveryVdisk[]): Promise<RecoveryRecord> {
    const prepare = { ...order, kind: 'prepare', vdisks, ordered: false } as const;
    assert.equal((await applyRecovery(store, pair.primary, prepare)).code, 'prepared');
    const result = await applyRecovery(store, pair.primary, { ...order, kind: 'begin' });
    assert.equal(result.code, 'begun', result.reason);
    return result.recovery ?? assert.fail();
  }

  it('goes by the worse of what etcd and a walk through the log say can be brought back, whichever comes first', async () => {
    const pair = await createPair(store, 0);
    await lose(pair, 0);
    const why = 'its log is not whole: JetStream has nothing of it';
    const given: RecoveryVdisk[] = [
      { ...v1, recoverable: 'part', why },
      { ...v1, vdisk: 'v3' },
    ];
    const prepare = { ...order, kind: 'prepare', vdisks: given, ordered: false } as const;
    const { recovery } = await applyRecovery(store, pair.primary, prepare);
    const log = { blocks: 3, bytes: 9, last: 4, at: 1 };
    const vdisks = [
      { vdisk: 'v1', recoverable: 'all', log },
      { vdisk: 'v3', recoverable: 'part', why: 'its log lacks some', unproven: 2, log },
    ] as const;
    const about = { ...order, recovery: recovery?.id ?? '', attempt: 1 };
    const measured = await applyRecovery(store, pair.primary, { ...about, kind: 'measured', vdisks });
    assert.deepEqual(
      measured.recovery?.vdisks.map(({ vdisk, recoverable, why: reason, unproven }) => [
        ...[vdisk, recoverable, reason, unproven],
      ]),
      [
        ['v1', 'part', why, undefined],
        ['v3', 'part', 'its log lacks some', 2],
      ],
    );
  });

  it('that was ordered stands although nobody judged the engines, for its own pairs alone', async () => {
    const pair = await createPair(store, 1);
    const fail = async (shard: number): Promise<void> => {
      for (const of of ['primary', 'slave'] as const)
        await applyEngineStatus(store, failure(pair.address(of, shard)));
    };
    await fail(0);
    const prepare = { ...order, kind: 'prepare', vdisks: [v1] } as const;
    const judgedOnly = { ...prepare, ordered: false } as const;
    assert.equal((await applyRecovery(store, pair.primary, judgedOnly)).code, 'not-permanent');
    assert.equal((await applyRecovery(store, pair.primary, { ...prepare, ordered: true })).code, 'prepared');
    await fail(1);
    await applyRecovery(store, pair.primary, judgedOnly);
    const { status, pairs } = (await readRecovery(store, pair.primary)) ?? assert.fail('no recovery');
    assert.deepEqual([status, pairs.map(({ shard }) => shard)], ['prepared', [0]]);
    await applyEngineStatus(store, {
      ...{ kind: 'verdict', verdict: 'false_alarm', reason: 'it was the line', evidence: [], by: 'alice' },
      ...{ operation: 'op-back', operator: true, address: pair.address('slave', 0) },
    });
    assert.equal((await applyRecovery(store, pair.primary, judgedOnly)).code, 'cancelled');
  });

  it('does not go by what a walk found once etcd knows that the log has lost its end since', async () => {
    const pair = await createPair(store, 0);
    await lose(pair, 0);
    const prepare = { ...order, kind: 'prepare', vdisks: [v1], ordered: false } as const;
    const { recovery } = await applyRecovery(store, pair.primary, prepare);
    const log = { blocks: 3, bytes: 9, last: 4, at: 1 };
    const about = { ...order, recovery: recovery?.id ?? '', attempt: 1 };
    const vdisks = [{ vdisk: 'v1', recoverable: 'all', log }] as const;
    await applyRecovery(store, pair.primary, { ...about, kind: 'measured', vdisks });
    const why = 'its log is not whole: JetStream lost its end';
    const again = { ...prepare, vdisks: [{ ...v1, recoverable: 'part', why }] } as const;
    const prepared = await applyRecovery(store, pair.primary, again);
    assert.deepEqual(
      prepared.recovery?.vdisks.map(({ recoverable, why: reason }) => [recoverable, reason]),
      [['part', why]],
    );
  });

  it('gives a lost pair up in one transaction, ends its incidents, and keeps what was before', async () => {
    const pair = await createPair(store, 0);
    const was = await serversOf(store, pair.primary);
    const incidents = await lose(pair, 1);
    const recovery = await begun(pair, [v1]);
    assert.deepEqual(
      (await serversOf(store, pair.primary)).map(({ status }) => status),
      ['online', 'rip', 'online'],
    );
    assert.equal((await serversOf(store, pair.slave))[1]?.status, 'rip');
    assert.equal((await recordOf(store, pair.primary)).status, 'unhealthy');
    assert.equal((await recordOf(store, pair.slave)).recovery, recovery.id);
    assert.match(recovery.before.storage, new RegExp(was[1]?.address ?? 'none'));
    assert.equal((await readRecovery(store, pair.primary))?.after?.revision, recovery.after?.revision);
    for (const id of incidents) {
      const key = closedIncidentKey(id);
      const closed = parseRecord(closedIncidentSchema, key, (await store.get(key))?.value ?? '');
      assert.deepEqual([closed.outcome, closed.recovery?.id], ['recovered', recovery.id]);
    }
    const about = { ...order, recovery: recovery.id, attempt: 1 };
    const early = await applyRecovery(store, pair.primary, {
      ...about,
      kind: 'finished',
      restored: new Set(),
    });
    assert.equal(early.code, 'vdisks-missing');
    const done = await applyRecovery(store, pair.primary, {
      ...{ ...about, kind: 'finished', restored: new Set(['v1']) },
    });
    assert.equal(done.code, 'done', done.reason);
    assert.equal((await recordOf(store, pair.primary)).status, 'healthy');
    assert.equal((await recordOf(store, pair.slave)).status, 'healthy');
    const key = closedIncidentKey(incidents[0] ?? '');
    const told = parseRecord(closedIncidentSchema, key, (await store.get(key))?.value ?? '');
    assert.match(told.recovery?.result ?? '', /1 of 1 vdisks/);
  });

  it('needs engines to be added when no pair and no spare is left', async () => {
    const pair = await createPair(store, 0, 1);
    await lose(pair, 0);
    const prepare = { ...order, kind: 'prepare', vdisks: [v1], ordered: false } as const;
    const { recovery } = await applyRecovery(store, pair.primary, prepare);
    assert.equal(recovery?.pairs[0]?.way, 'none');
    assert.match(recovery.pairs[0].waitsFor ?? '', /no spare .* engines must be added/);
    const refused = await applyRecovery(store, pair.primary, { ...order, kind: 'begin' });
    assert.deepEqual([refused.outcome, refused.code], ['refused', 'engines-needed']);
  });

  it('locks what has lost blocks, ends its owner, and lets go of what is whole again', async () => {
    const pair = await createPair(store, 0);
    for (const id of ['v1', 'v2']) await vdisk(pair, id);
    const lease = await store.grantLease(30);
    const owner = { key: ownerKey('v1'), value: '{"server":"a","instance":"b","since":1}', lease: lease.id };
    await store.transact({ compare: [], puts: [owner] });
    await lose(pair, 2);
    const recovery = await begun(pair, [v1, v2]);
    await assert.rejects(lockVdisks(store, recovery, { at: 5, force: false }), { code: 'vdisk-owned' });
    await lockVdisks(store, recovery, { at: 5, force: true });
    assert.equal(await store.get(ownerKey('v1')), null);
    const lock = await store.get(vdiskLifecycleKey('v1'));
    assert.ok(lock !== null);
    await lockVdisks(store, recovery, { at: 6, force: false });
    assert.equal((await store.get(vdiskLifecycleKey('v1')))?.revision, lock.revision, 'said again');
    const { revision: epoch } = await store.transact({ compare: [], puts: [owner] });
    const counts = { blocks: 3, bytes: 12_288, verified: 3, durationMs: 1, by: 'r', at: 7 };
    const about = { cluster: pair.primary, recovery: recovery.id, attempt: 1, vdisk: 'v1', epoch, ...counts };
    assert.equal(await vdiskRestored(store, { ...about, epoch: '1' }, lock.revision), false);
    assert.deepEqual(await noteStaleBatches(store, 'v1', epoch, { '2': 7 }), { '2': 7 });
    assert.deepEqual(
      await noteStaleBatches(store, 'v1', epoch, { '2': 9 }),
      { '2': 7 },
      'what was noted first',
    );
    assert.equal(await vdiskRestored(store, about, lock.revision), false, 'the lock was written since');
    const noted = (await store.get(vdiskLifecycleKey('v1')))?.revision ?? '';
    assert.equal(await vdiskRestored(store, about, noted), true);
    assert.equal(await store.get(vdiskLifecycleKey('v1')), null);
    assert.deepEqual([...(await recoveredVdisks(store, recovery)).keys()], ['v1']);

    const given = { vdisk: 'v2', by: 'alice', reason: 'nobody needs it' };
    const open = await acceptLoss(store, { ...given, blocks: 7, operation: 'accept-0' });
    assert.equal(open.code, 'recovery-open');
    const end = { ...order, recovery: recovery.id, attempt: 1 };
    const done = await applyRecovery(store, pair.primary, {
      ...{ ...end, kind: 'finished', restored: new Set(['v1']) },
    });
    assert.match(done.reason, /1 lost blocks that no log holds/);
    const other = await acceptLoss(store, { ...given, blocks: 6, operation: 'accept-1' });
    assert.deepEqual([other.outcome, other.code], ['refused', 'other-loss']);
    assert.match(other.reason, /has lost 7 blocks \(it has no log\)/);
    const accepted = await acceptLoss(store, { ...given, blocks: 7, operation: 'accept-2' });
    assert.equal(accepted.outcome, 'applied', accepted.reason);
    assert.equal(
      (await acceptLoss(store, { ...given, blocks: 7, operation: 'accept-2' })).outcome,
      'already',
    );
    assert.equal(await store.get(vdiskLifecycleKey('v2')), null);
    const nothing = await acceptLoss(store, { ...given, blocks: 7, operation: 'accept-3' });
    assert.equal(nothing.code, 'nothing-lost');
    await lease.revoke();
  });

  it('names the vdisks that an operation has', async () => {
    const pair = await createPair(store, 0);
    await vdisk(pair, 'v9');
    const key = vdiskLifecycleKey('v9');
    const value = formatRecord(vdiskLifecycleSchema, key, { state: 'cloning', operations: ['c1'], at: 1 });
    await store.transact({ compare: [], puts: [{ key, value }] });
    const [busy] = await busyVdisks(store, { id: 'r1', vdisks: [{ ...v1, vdisk: 'v9' }] });
    assert.match(busy?.reason ?? '', /held by operation c1 \(cloning\)/);
    const locking = { id: 'r1', attempt: 1, vdisks: [{ ...v1, vdisk: 'v9' }] };
    await assert.rejects(lockVdisks(store, locking, { at: 2, force: true }), { code: 'vdisk-busy' });
  });

  it('lets a recovery take a vdisk that another one restores, and a replay that is none only its own', async () => {
    const pair = await createPair(store, 0);
    await vdisk(pair, 'v10');
    const key = vdiskLifecycleKey('v10');
    const value = formatRecord(vdiskLifecycleSchema, key, { state: 'restoring', operations: ['r1'], at: 1 });
    await store.transact({ compare: [], puts: [{ key, value }] });
    const vdisks = [{ ...v1, vdisk: 'v10' }];
    const free = { leavesOthers: true };
    assert.deepEqual(await busyVdisks(store, { id: 'r2', vdisks }), []);
    assert.deepEqual(await busyVdisks(store, { id: 'r1', vdisks }, free), []);
    const [busy] = await busyVdisks(store, { id: 'replay-2', vdisks }, free);
    assert.match(busy?.reason ?? '', /held by operation r1 \(restoring\)/);
    const replay = { id: 'replay-2', attempt: 1, vdisks };
    await assert.rejects(lockVdisks(store, replay, { ...free, at: 2, force: true }), { code: 'vdisk-busy' });
    assert.equal((await store.get(key))?.value, value, 'it is as it was');
  });
});
