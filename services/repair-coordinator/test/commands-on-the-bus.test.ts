import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ownerKey } from '@salvor/config-store';
import { commandNames, commands } from '@salvor/contracts';
import { EngineLink, killEngine, type RedisHandle, startRedis, tempDir } from '@salvor/testkit';
import { CommandDesk } from './command-desk.ts';
import { address } from './coordinated-cluster.ts';

const own = commandNames().filter((name) => commands[name].service === 'repair-coordinator');

describe('the examples of the catalogue', () => {
  let desk: CommandDesk;
  before(async () => {
    desk = await CommandDesk.open();
  });
  after(async () => {
    await desk?.[Symbol.asyncDispose]();
  });

  for (const name of own) {
    it(`${name}: is carried out, or refused with a reason`, async () => {
      const { status, body } = await desk.ask(name, commands[name].example);
      if (status === null) return;
      assert.match(
        String(body.code),
        /^(unknown-|engine-|cluster-not-healthy|no-log|no-stream)/,
        JSON.stringify(body),
      );
      assert.ok(String(body.message).length > 10, 'the reason is a sentence');
    });

    it(`${name}: every field that is wrong is named`, async () => {
      const { status, body } = await desk.ask(name, { ...commands[name].example, colour: 'blue' });
      assert.deepEqual([status, body.code], [400, 'invalid-json']);
      assert.ok(JSON.stringify(body.details).includes('colour'), JSON.stringify(body));
    });
  }
});

describe('clusters and vdisks by plain JSON', () => {
  const dir = tempDir('engines');
  let desk: CommandDesk;
  let engines: RedisHandle[];

  before(async () => {
    const started = Array.from({ length: 6 }, (_, i) => startRedis({ dir: dir.join(`engine-${i}`) }));
    [desk, engines] = await Promise.all([CommandDesk.open(), Promise.all(started)]);
    await desk.done('cluster.create', {
      cluster: 'pj',
      role: 'primary',
      engines: refs(0, 2),
      spares: refs(4, 5),
      partner: 'sj',
      operationId: 'create-pj',
    });
    await desk.done('cluster.create', {
      cluster: 'sj',
      role: 'slave',
      engines: refs(2, 4),
      spares: [],
      partner: 'pj',
    });
    await desk.done('cluster.create', { cluster: 'sk', role: 'slave', engines: refs(5, 6), spares: [] });
  });

  after(async () => {
    await desk?.[Symbol.asyncDispose]();
    await Promise.all((engines ?? []).map(({ process }) => process.kill()));
    dir.remove();
  });

  const refs = (from: number, to: number) =>
    engines.slice(from, to).map((engine) => ({ address: engine.address }));
  const vdisk = (id: string, changes: object = {}) => ({
    ...{ vdisk: id, type: 'db', sizeGiB: 1, cluster: 'pj', slaveCluster: 'sj' },
    ...changes,
  });

  async function onEngine<T>(index: number, use: (link: EngineLink) => Promise<T>): Promise<T> {
    using link = await EngineLink.open(engines[index]?.port ?? 0);
    return await use(link);
  }

  it('a cluster is created, described and listed; its engines know who they are', async () => {
    const { cluster } = (await desk.done('cluster.get', { cluster: 'pj' })) as {
      cluster: Record<string, unknown>;
    };
    assert.deepEqual(
      [cluster.status, cluster.role, cluster.partner, cluster.spares],
      ['healthy', 'primary', 'sj', [{ ...refs(4, 5)[0], db: 0 }]],
    );
    const { clusters } = await desk.done('cluster.list', {});
    assert.deepEqual((clusters as { cluster: string }[]).map(({ cluster: id }) => id).sort(), [
      'p1',
      'pj',
      's1',
      'sj',
      'sk',
    ]);
    const identity = await onEngine(3, (link) => link.send('GET', 'salvor:identity'));
    assert.deepEqual(JSON.parse(String(identity)), { cluster: 'sj', role: 'slave', shard: 1, generation: 1 });
    const { engines: listed } = await desk.done('engine.list', { cluster: 'pj' });
    assert.equal((listed as object[]).length, 2);
  });

  it('a repeated operation changes nothing and gets the same answer', async () => {
    const request = vdisk('twice', { operationId: 'op-twice' });
    const first = await desk.done('vdisk.create', request);
    const again = await desk.done('vdisk.create', request);
    assert.deepEqual([first.outcome, again.outcome], ['applied', 'already']);
    assert.deepEqual([again.vdisk, again.operation], [first.vdisk, first.operation]);
    assert.ok(String(again.reason).includes(String(first.reason)));
    const other = await desk.refused(
      'vdisk.create',
      vdisk('other', { operationId: 'op-twice' }),
      'operation-reused',
    );
    assert.match(other, /op-twice was used for another request/);
    assert.deepEqual(
      desk.announced.filter(({ id }) => id.startsWith('op-twice')),
      [{ type: 'vdisk.created', id: 'op-twice-created' }],
    );
    const { operation } = (await desk.done('operation.get', { operation: 'op-twice' })) as {
      operation: Record<string, unknown>;
    };
    assert.deepEqual([operation.kind, operation.status], ['vdisk.create', 'completed']);
  });

  const refusals: readonly [what: string, code: string, message: RegExp, changes: object][] = [
    ['of a type that nobody knows', 'type-refused', /found unknown/, { type: 'unknown' }],
    ['from no template', 'template-refused', /no such vdisk/, { type: 'boot', templateVdisk: 'gone' }],
    ['of an unknown type', 'invalid-json', /type: expected one of db, cache, tmp/, { type: 'disk' }],
    ['of no size', 'invalid-size', /from 1 to/, { sizeGiB: 0 }],
    ['with an odd block size', 'invalid-block-size', /a power of two/, { blockSize: 5000 }],
    ['on an unknown cluster', 'unknown-cluster', /no storage cluster p404/, { cluster: 'p404' }],
    ['on a slave cluster', 'wrong-role', /must be a primary/, { cluster: 'sj', slaveCluster: 'pj' }],
    ['on clusters that are no pair', 'clusters-not-paired', /paired with sj/, { slaveCluster: 'sk' }],
  ];
  for (const [what, code, message, changes] of refusals) {
    it(`a vdisk ${what} is refused with a reason`, async () => {
      assert.match(await desk.refused('vdisk.create', vdisk('refused', changes), code), message);
      await desk.refused('vdisk.describe', { vdisk: 'refused' }, 'unknown-vdisk');
    });
  }

  it('a vdisk is refused while blocks of an earlier one are left', async () => {
    await onEngine(2, (link) => link.send('HSET', 'nondedup:left', '7', 'old'));
    const message = await desk.refused('vdisk.create', vdisk('left'), 'leftover-blocks');
    assert.match(
      message,
      new RegExp(`engine ${engines[2]?.address} holds 1 blocks of an earlier vdisk left`),
    );
    await onEngine(2, (link) => link.send('DEL', 'nondedup:left'));
    assert.equal((await desk.done('vdisk.create', vdisk('left'))).outcome, 'applied');
  });

  it('a deleted vdisk frees its blocks on both clusters, and its name', async () => {
    await desk.done('vdisk.create', vdisk('gone'));
    for (const index of [0, 1, 2, 3]) {
      await onEngine(index, (link) => link.send('HSET', 'nondedup:gone', String(index), 'block'));
    }
    const deleted = await desk.done('vdisk.delete', { vdisk: 'gone', operationId: 'op-gone' });
    assert.equal(deleted.outcome, 'applied');
    assert.equal((await desk.ended('op-gone')).status, 'completed');
    for (const index of [0, 1, 2, 3]) {
      assert.deepEqual(await onEngine(index, (link) => link.send('KEYS', '*gone*')), []);
    }
    assert.equal(
      (await desk.done('vdisk.delete', { vdisk: 'gone', operationId: 'op-gone' })).outcome,
      'already',
    );
    await desk.refused('vdisk.delete', { vdisk: 'gone' }, 'unknown-vdisk');
    assert.equal((await desk.done('vdisk.create', vdisk('gone'))).outcome, 'applied');
  });

  it('a vdisk that is in use is not deleted, and its description names the user', async () => {
    await desk.done('vdisk.create', vdisk('used'));
    const { store } = desk.cluster;
    const lease = await store.grantLease(30);
    const owner = JSON.stringify({ server: 'nbd-1', instance: 'i', since: 1 });
    await store.transact({ compare: [], puts: [{ key: ownerKey('used'), value: owner, lease: lease.id }] });
    assert.match(await desk.refused('vdisk.delete', { vdisk: 'used' }, 'vdisk-owned'), /in use by nbd-1/);
    const { vdisk: described } = (await desk.done('vdisk.describe', { vdisk: 'used' })) as {
      vdisk: { owner: { server: string }; clusterStatus: string };
    };
    assert.deepEqual([described.owner.server, described.clusterStatus], ['nbd-1', 'healthy']);
    await lease.revoke();
  });

  it('an outage by hand: reported, judged, explained; meanwhile vdisks are neither created nor deleted', async () => {
    const [engine = assert.fail()] = engines;
    await desk.done('vdisk.create', vdisk('kept'));
    await killEngine(engine);
    const report = { address: engine.address, reason: 'no power', operationId: 'op-report' };
    const reported = await desk.done('engine.report-failure', report);
    assert.deepEqual([reported.status, reported.outcome], ['offline', 'applied']);
    assert.equal((await desk.done('engine.report-failure', report)).incident, reported.incident);

    assert.match(await desk.refused('vdisk.create', vdisk('later'), 'cluster-not-healthy'), /not healthy/);
    await desk.refused('vdisk.delete', { vdisk: 'kept' }, 'cluster-not-healthy');

    const verdict = {
      address: engine.address,
      verdict: 'permanent',
      reason: 'the disk is broken',
      by: 'alice',
    };
    const judged = await desk.done('engine.set-verdict', verdict);
    assert.deepEqual([judged.status, judged.incident], ['repair-final-outage', reported.incident]);
    const { incident } = (await desk.done('incident.get', { incident: reported.incident })) as {
      incident: { verdict: { by: string }; replacement: { address: string }; history: object[] };
    };
    assert.deepEqual(
      [incident.verdict.by, incident.replacement.address, incident.history.length],
      ['alice', engines[4]?.address, 2],
    );
    const { incidents } = await desk.done('incident.list', {});
    assert.equal((incidents as object[]).length, 1);
    const { engine: found } = (await desk.done('engine.get', { address: engine.address })) as {
      engine: { status: string; incident: string };
    };
    assert.deepEqual([found.status, found.incident], ['repair-final-outage', reported.incident]);
  });

  it('what does not exist is said not to exist', async () => {
    await desk.refused('cluster.get', { cluster: 'p404' }, 'unknown-cluster');
    await desk.refused('engine.get', { address: '10.9.9.9:1' }, 'unknown-engine');
    await desk.refused('incident.get', { incident: 'p1-0-abc' }, 'unknown-incident');
    await desk.refused('operation.get', { operation: 'op-404' }, 'unknown-operation');
    await desk.refused('engine.report-failure', { address: '10.9.9.9:1', reason: 'x' }, 'unknown-address');
    const healthy = { address: address('primary', 1), verdict: 'temporary', reason: 'x' };
    await desk.refused('engine.set-verdict', healthy, 'incident-not-open');
  });
});
