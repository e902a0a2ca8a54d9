import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  addSpares,
  closedIncidentKey,
  formatVdiskNbd,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentKey,
  incidentSchema,
  ownerKey,
  parseRecord,
  putRepairRecord,
  tier1RecoveryKey,
  vdiskNbdKey,
} from '@salvor/config-store';
import { startRedis, tempDir, until } from '@salvor/testkit';
import { EngineControl } from '@salvor/vdisk';
import { HealingLoop } from '../src/healing-loop.ts';
import { address, CoordinatedCluster } from './coordinated-cluster.ts';

const engine = address('primary', 0);

type Loop = AsyncDisposable & Pick<HealingLoop, 'wake'>;

/** A coordinator's loop; others may run beside it. */
async function startLoop(
  cluster: CoordinatedCluster,
  instance = 'one',
  { spreadAfterMs = null, retireAfterMs = 0 }: { spreadAfterMs?: number | null; retireAfterMs?: number } = {},
): Promise<Loop> {
  const { store, log } = cluster;
  const loop = new HealingLoop({
    store,
    instance,
    log,
    engineTimeoutMs: 1_000,
    spreadAfterMs,
    retireAfterMs,
  });
  await loop.start();
  return { wake: () => loop.wake(), [Symbol.asyncDispose]: () => loop.stop() };
}

/** Records a repair as the owner of the vdisk would. */
async function recordRepair(
  { store }: CoordinatedCluster,
  { id, attempt, cluster, shard }: IncidentRecord,
  vdisk: string,
): Promise<void> {
  const lease = await store.grantLease(30);
  const key = ownerKey(vdisk);
  const owner = { server: 'nbd-1', instance: id, since: 1 };
  await store.transact({ compare: [], puts: [{ key, value: JSON.stringify(owner), lease: lease.id }] });
  const epoch = (await store.get(key))?.createRevision ?? assert.fail('no owner');
  const counts = { dirtyBlocks: 3, copiedBlocks: 3, repairMs: 12, at: Date.now() };
  const repair = { vdisk, incident: id, attempt, server: 'nbd-1', epoch, ...counts };
  const result = await putRepairRecord(store, { cluster, shard, repair });
  assert.equal(result.outcome, 'applied', result.reason);
  await lease.revoke();
}

async function judged(
  cluster: CoordinatedCluster,
  verdict: 'temporary' | 'permanent' = 'temporary',
): Promise<IncidentRecord> {
  await cluster.fail(engine);
  return (await cluster.judge(engine, verdict)).incident ?? assert.fail('no incident');
}

/** Waits until the loop has looked at everything that is stored now. */
async function lookAgain({ store, log }: CoordinatedCluster, loop: Loop): Promise<void> {
  const bad = `${INCIDENTS_PREFIX}zz/0`;
  const complaints = (): number => log.lines.filter(({ fields }) => fields.key === bad).length;
  await store.transact({ compare: [], puts: [{ key: bad, value: 'no record' }] });
  const before = complaints();
  await until(
    () => {
      loop.wake();
      // Incidents are looked at in the order of their keys: after two complaints of the last one a whole look has ended.
      return complaints() >= before + 2;
    },
    { what: 'two more looks', timeoutMs: 10_000 },
  );
  await store.transact({ compare: [], deletes: [bad] });
}

describe('a repair', () => {
  it('is complete when every vdisk of the cluster is repaired, and not before the last', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1', 'v2', 'v3');
    await using loop = await startLoop(cluster);
    const incident = await judged(cluster);
    await recordRepair(cluster, incident, 'v1');
    await recordRepair(cluster, incident, 'v2');
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');
    await recordRepair(cluster, incident, 'v3');
    await cluster.waitForStatus('p1', 0, 'online');
    assert.equal(await cluster.store.get(incidentKey('p1', 0)), null);
    assert.notEqual(await cluster.store.get(closedIncidentKey(incident.id)), null);
  });

  it('does not end while Tier-1 is being brought back: its vdisks may not be there yet', async () => {
    await using cluster = await CoordinatedCluster.start();
    const { store } = cluster;
    await store.transact({ compare: [], puts: [{ key: tier1RecoveryKey, value: '{}' }] });
    await judged(cluster);
    const loop = new HealingLoop({
      ...{ store, instance: 'one', log: cluster.log, engineTimeoutMs: 1_000, spreadAfterMs: null },
    });
    // One look has ended when the mark was read twice.
    let looks = 0;
    const get = store.get.bind(store);
    store.get = (key) => {
      if (key === tier1RecoveryKey) looks += 1;
      return get(key);
    };
    await loop.start();
    await until(
      () => {
        loop.wake();
        return looks >= 3;
      },
      { what: 'looks at the mark', timeoutMs: 10_000 },
    );
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');
    await store.transact({ compare: [], deletes: [tier1RecoveryKey] });
    await cluster.waitForStatus('p1', 0, 'online');
    await loop.stop();
  });

  it('is counted by the set of vdisks: records of vdisks that are elsewhere, or gone, are none', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1', 'v2');
    await using loop = await startLoop(cluster);
    const incident = await judged(cluster);
    await recordRepair(cluster, incident, 'other-1');
    await recordRepair(cluster, incident, 'other-2');
    await recordRepair(cluster, incident, 'v1');
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');
  });

  it('of an earlier attempt does not count for a later one', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1', 'v2');
    await using loop = await startLoop(cluster);
    const first = await judged(cluster);
    await recordRepair(cluster, first, 'v1');
    const second = await judged(cluster);
    assert.equal(second.attempt, first.attempt + 1);
    await recordRepair(cluster, second, 'v2');
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');
    await recordRepair(cluster, second, 'v1');
    await cluster.waitForStatus('p1', 0, 'online');
  });

  it('of the slave cluster counts the same vdisks', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await using _loop = await startLoop(cluster);
    await cluster.fail(address('slave', 1));
    const { incident } = await cluster.judge(address('slave', 1), 'temporary');
    await recordRepair(cluster, incident ?? assert.fail(), 'v1');
    await cluster.waitForStatus('s1', 1, 'online');
  });

  it('of a cluster without vdisks has nothing to wait for', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using _loop = await startLoop(cluster);
    await judged(cluster);
    await cluster.waitForStatus('p1', 0, 'online');
  });

  it('that completed while no coordinator ran is seen by the next', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await recordRepair(cluster, await judged(cluster), 'v1');
    await using _loop = await startLoop(cluster);
    await cluster.waitForStatus('p1', 0, 'online');
  });

  it('is completed once by several coordinators', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await using _one = await startLoop(cluster, 'one');
    await using _two = await startLoop(cluster, 'two');
    const incident = await judged(cluster);
    await recordRepair(cluster, incident, 'v1');
    await cluster.waitForStatus('p1', 0, 'online');
    const key = closedIncidentKey(incident.id);
    const { history } = parseRecord(
      incidentSchema,
      key,
      (await cluster.store.get(key))?.value ?? assert.fail('not closed'),
    );
    assert.deepEqual(
      history.map(({ to }) => to),
      ['offline', 'repair-tmp-outage', 'online'],
    );
  });

  it('waits, and says why, while the configuration of a vdisk cannot be read', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    const key = vdiskNbdKey('broken');
    await cluster.store.transact({ compare: [], puts: [{ key, value: 'storageClusterID: [' }] });
    await using _loop = await startLoop(cluster);
    const incident = await judged(cluster);
    await recordRepair(cluster, incident, 'v1');
    const { level, fields } = await cluster.waitForLine(
      'a vdisk with a bad configuration keeps a repair from ending',
    );
    assert.deepEqual([level, fields.vdisk, fields.incident], ['error', 'broken', incident.id]);
    assert.match(String(fields.reason), /not valid/);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-tmp-outage');

    const elsewhere = {
      storageClusterID: 'p9',
      templateStorageClusterID: '',
      slaveStorageClusterID: '',
      tlogServerClusterID: '',
    };
    await cluster.store.transact({ compare: [], puts: [{ key, value: formatVdiskNbd(elsewhere) }] });
    await cluster.waitForStatus('p1', 0, 'online');
  });

  it('goes on past an incident record that cannot be read', async () => {
    await using cluster = await CoordinatedCluster.start();
    const bad = { key: `${INCIDENTS_PREFIX}a0/0`, value: '{"id":7' };
    await cluster.store.transact({ compare: [], puts: [bad] });
    await using _loop = await startLoop(cluster);
    await judged(cluster);
    await cluster.waitForStatus('p1', 0, 'online');
    const { fields } = await cluster.waitForLine('could not look at an incident, trying again');
    assert.equal(fields.key, bad.key);
  });
});

describe('a lost engine', () => {
  it('waits for a spare, and is rebuilt on the one that appears', async () => {
    await using dir = tempDir('spare');
    await using cluster = await CoordinatedCluster.start();
    const spare = await startRedis({ dir: dir.path });
    await using _process = spare.process;
    await using loop = await startLoop(cluster);
    const { id } = await judged(cluster, 'permanent');
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'offline');

    const wanted = { cluster: 'p1', spares: [{ address: spare.address, db: 0 }] };
    const added = await addSpares(cluster.store, wanted, { operation: 'add', by: 'test' });
    assert.equal(added.outcome, 'applied', added.reason);
    await until(async () => (await cluster.serverOf('p1', 0)).address === spare.address, {
      what: 'the spare to take the place',
      timeoutMs: 10_000,
    });
    const entry = await cluster.serverOf('p1', 0);
    assert.deepEqual([entry.status, entry.generation], ['online', 2]);
    assert.notEqual(await cluster.store.get(closedIncidentKey(id)), null);
    // There was no vdisk whose owner would have made the spare a member.
    const identity = await EngineControl.with(
      { address: spare.address, db: 0, timeoutMs: 1_000 },
      (control) => control.identity(),
    );
    assert.deepEqual(JSON.parse(identity ?? ''), { cluster: 'p1', role: 'primary', shard: 0, generation: 2 });
  });

  it('is spread when no spare comes, and given up with its partner once every vdisk of both is elsewhere', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1', 'v2');
    await using loop = await startLoop(cluster, 'one', { spreadAfterMs: 0 });
    const { id } = await judged(cluster, 'permanent');
    await cluster.waitForStatus('p1', 0, 'repair-final-outage');
    const key = incidentKey('p1', 0);
    const stored = (await cluster.store.get(key))?.value ?? assert.fail('no incident');
    const incident = parseRecord(incidentSchema, key, stored);
    assert.deepEqual([incident.id, incident.repairKind, incident.replacement], [id, 'spread', undefined]);
    await recordRepair(cluster, incident, 'v1');
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-final-outage');
    await recordRepair(cluster, incident, 'v2');
    await cluster.waitForStatus('p1', 0, 'rip');
    assert.equal((await cluster.serverOf('s1', 0)).state, 'rip');
    // Nobody listens where its partner was: that is told, and no more.
    const { fields } = await cluster.waitForLine(
      'could not retire the engine that was left of a pair; flush it before it is used again',
    );
    assert.equal(fields.engine, address('slave', 0));
  });

  it('is not spread while a vdisk has one copy only, which its incident says', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    const alone = {
      ...{ storageClusterID: 'p1', slaveStorageClusterID: '' },
      ...{ templateStorageClusterID: '', tlogServerClusterID: '' },
    };
    await cluster.store.transact({
      compare: [],
      puts: [{ key: vdiskNbdKey('v1'), value: formatVdiskNbd(alone) }],
    });
    await using loop = await startLoop(cluster, 'one', { spreadAfterMs: 0 });
    await judged(cluster, 'permanent');
    const key = incidentKey('p1', 0);
    const waitsFor = async () =>
      parseRecord(incidentSchema, key, (await cluster.store.get(key))?.value ?? assert.fail()).waitsFor ?? '';
    await until(async () => /v1 has no copy on s1/.test(await waitsFor()), {
      what: 'the reason to be in the incident',
      timeoutMs: 10_000,
    });
    await lookAgain(cluster, loop);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'offline');
  });

  it('does not come online on a spare that cannot be made a member', async () => {
    await using cluster = await CoordinatedCluster.start({ spares: ['127.0.0.1:1'] });
    await using _loop = await startLoop(cluster);
    await judged(cluster, 'permanent');
    const { fields } = await cluster.waitForLine('could not look at an incident, trying again');
    assert.match(String(fields.error), /127\.0\.0\.1:1 cannot be reached/);
    assert.equal((await cluster.serverOf('p1', 0)).status, 'repair-final-outage');
  });
});
