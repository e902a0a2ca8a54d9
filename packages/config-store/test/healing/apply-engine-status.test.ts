import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { addSpares } from '../../src/healing/apply-cluster-admission.ts';
import { applyEngineStatus, type EngineStatusResult } from '../../src/healing/apply-engine-status.ts';
import type { EngineStatusInput } from '../../src/healing/engine-status-decision.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import { closedIncidentSchema, incidentSchema } from '../../src/healing/records.ts';
import { listRepairRecords, putRepairRecord } from '../../src/healing/repair-records.ts';
import {
  CLOSED_INCIDENTS_PREFIX,
  closedIncidentKey,
  clusterIncidentsPrefix,
  clusterStorageKey,
  incidentKey,
  ownerKey,
} from '../../src/keys.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure, recordOf, serversOf } from './store-fixture.ts';

let etcd: EtcdServer;
let store: ConfigStore;

before(async () => {
  etcd = await EtcdServer.start();
  store = openStore({ endpoints: [etcd.endpoint] });
});

after(async () => {
  store?.close();
  await etcd?.remove();
});

function verdictOn(result: EngineStatusResult, verdict: string, changes: object = {}): EngineStatusInput {
  return {
    kind: 'verdict',
    incident: result.incident?.id ?? 'none',
    attempt: result.incident?.attempt ?? 0,
    verdict,
    reason: 'probed',
    evidence: [],
    by: 'analyzer',
    operation: `${verdict}-${result.incident?.id}-${result.incident?.attempt}`,
    ...changes,
  } as EngineStatusInput;
}

function completionOf(result: EngineStatusResult, vdisks: string[]): EngineStatusInput {
  const { id = 'none', attempt = 0 } = result.incident ?? {};
  return {
    kind: 'repairs-complete',
    incident: id,
    attempt,
    repaired: new Set(vdisks),
    vdisks: new Set(vdisks),
    by: 'coordinator',
    operation: `complete-${id}-${attempt}`,
  };
}

/** A store that counts its round trips. */
function counted(): { store: ConfigStore; calls: string[] } {
  const calls: string[] = [];
  const proxy = new Proxy(store, {
    get(target, name: keyof ConfigStore) {
      const member = target[name];
      return (...args: unknown[]) => {
        calls.push(name);
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
  return { store: proxy, calls };
}

describe('reports of a failed engine', () => {
  it('from ten servers at once, each with its own connection, make one move and one incident', async () => {
    const pair = await createPair(store);
    const address = pair.address('primary', 1);
    const stores = Array.from({ length: 10 }, () => openStore({ endpoints: [etcd.endpoint] }));
    try {
      const results = await Promise.all(
        stores.map((own, index) =>
          applyEngineStatus(
            own,
            failure(address, { reporter: `nbd-${index}`, operation: `ten-${index}` }),
            index % 2 === 0 ? { cluster: pair.primary } : {},
          ),
        ),
      );
      const applied = results.filter(({ outcome }) => outcome === 'applied');
      assert.equal(applied.length, 1);
      assert.ok(results.every(({ outcome }) => outcome === 'applied' || outcome === 'already'));
      assert.equal(
        results.flatMap(({ effects }) => effects).filter(({ type }) => type === 'incident.opened').length,
        1,
      );
      assert.equal(new Set(results.map(({ incident }) => incident?.id)).size, 1);

      const incidents = await store.list(clusterIncidentsPrefix(pair.primary));
      assert.deepEqual(
        incidents.entries.map(({ key }) => key),
        [incidentKey(pair.primary, 1)],
      );
      const incident = parseRecord(incidentSchema, 'incident', incidents.entries[0]?.value ?? '');
      assert.ok(incident.reporters.length >= 2, 'the others are evidence');
      assert.deepEqual(
        (await serversOf(store, pair.primary)).map(({ status }) => status),
        ['online', 'offline', 'online'],
      );
      assert.equal((await recordOf(store, pair.primary)).status, 'repairing');
    } finally {
      for (const own of stores) own.close();
    }
  });

  it('needs two round trips once the cluster is known', async () => {
    const pair = await createPair(store);
    const { store: watched, calls } = counted();
    await applyEngineStatus(watched, failure(pair.address('primary', 0)));
    calls.length = 0;
    const result = await applyEngineStatus(watched, failure(pair.address('primary', 2)), {
      cluster: pair.primary,
    });
    assert.equal(result.outcome, 'applied');
    assert.deepEqual(calls, ['getMany', 'transact']);
  });

  it('finds the engine without a hint, with a wrong hint, and in a cluster that other tools made', async () => {
    const pair = await createPair(store);
    const wrong = await applyEngineStatus(store, failure(pair.address('slave', 0)), {
      cluster: pair.primary,
    });
    assert.deepEqual([wrong.outcome, wrong.cluster], ['applied', pair.slave]);
    await store.transact({
      compare: [],
      puts: [{ key: clusterStorageKey('stock.cluster'), value: 'servers:\n  - address: 10.99.0.1:22005\n' }],
    });
    const stock = await applyEngineStatus(store, failure('10.99.0.1:22005'));
    assert.deepEqual([stock.outcome, stock.cluster], ['applied', 'stock.cluster'], stock.reason);
    assert.equal((await recordOf(store, 'stock.cluster')).status, 'unhealthy');
    const nowhere = await applyEngineStatus(store, failure('10.98.0.1:1'));
    assert.deepEqual([nowhere.outcome, nowhere.code], ['refused', 'unknown-address']);
  });

  it('with one operation id twice change nothing the second time, and the id serves no other request', async () => {
    const pair = await createPair(store);
    const report = failure(pair.address('primary', 0), { operation: `once-${pair.primary}` });
    assert.equal((await applyEngineStatus(store, report)).outcome, 'applied');
    const before = await store.get(clusterStorageKey(pair.primary));
    const again = await applyEngineStatus(store, report);
    assert.deepEqual([again.outcome, again.code], ['already', 'same-operation']);
    assert.equal((await store.get(clusterStorageKey(pair.primary)))?.revision, before?.revision);
    const other = await applyEngineStatus(store, {
      ...report,
      address: pair.address('primary', 1),
    } as EngineStatusInput);
    assert.equal(other.code, 'operation-reused');
  });

  it('about both sides of a pair make both clusters unhealthy until one is back', async () => {
    const pair = await createPair(store);
    const primary = await applyEngineStatus(store, failure(pair.address('primary', 0)));
    assert.equal((await recordOf(store, pair.slave)).status, 'healthy');
    const slave = await applyEngineStatus(store, failure(pair.address('slave', 0)));
    assert.deepEqual(
      [(await recordOf(store, pair.primary)).status, (await recordOf(store, pair.slave)).status],
      ['unhealthy', 'unhealthy'],
    );
    const back = await applyEngineStatus(store, verdictOn(slave, 'false_alarm', { missedWrites: false }));
    assert.equal(back.outcome, 'applied', back.reason);
    assert.deepEqual(
      [(await recordOf(store, pair.primary)).status, (await recordOf(store, pair.slave)).status],
      ['repairing', 'healthy'],
    );
    assert.equal(primary.incident?.shard, 0);
  });
});

describe('an incident', () => {
  it('of a temporary outage ends online, in the closed incidents', async () => {
    const pair = await createPair(store);
    const opened = await applyEngineStatus(store, failure(pair.address('primary', 0)));
    const repairing = await applyEngineStatus(store, verdictOn(opened, 'temporary'));
    assert.equal(repairing.transition?.to, 'repair-tmp-outage');
    const missing = await applyEngineStatus(store, {
      ...completionOf(opened, ['v1']),
      repaired: new Set<string>(),
    } as EngineStatusInput);
    assert.equal(missing.code, 'repairs-missing');
    const done = await applyEngineStatus(store, completionOf(opened, ['v1', 'v2']));
    assert.equal(done.outcome, 'applied', done.reason);
    assert.equal(await store.get(incidentKey(pair.primary, 0)), null);
    const id = opened.incident?.id ?? '';
    const closed = await store.get(closedIncidentKey(id));
    const read = parseRecord(closedIncidentSchema, CLOSED_INCIDENTS_PREFIX, closed?.value ?? '');
    assert.deepEqual([read.outcome, read.history.length], ['repaired', 3]);
    assert.equal((await recordOf(store, pair.primary)).status, 'healthy');
    assert.equal((await applyEngineStatus(store, completionOf(opened, ['v1', 'v2']))).code, 'same-operation');
  });

  it('of a lost engine waits for a spare, takes it when it comes, and ends with the spare in its place', async () => {
    const pair = await createPair(store, 0);
    const lost = pair.address('primary', 2);
    const opened = await applyEngineStatus(store, failure(lost));
    const waiting = await applyEngineStatus(store, verdictOn(opened, 'permanent'));
    assert.equal(waiting.code, 'waiting-for-spare');
    assert.equal((await applyEngineStatus(store, verdictOn(opened, 'permanent'))).outcome, 'already');
    const spare = { address: pair.address('spare', 0), db: 1 };
    const added = await addSpares(
      store,
      { cluster: pair.primary, spares: [spare] },
      { operation: `add-${pair.primary}`, by: 'ops' },
    );
    assert.equal(added.outcome, 'applied', added.reason);
    const rebuilding = await applyEngineStatus(store, verdictOn(opened, 'permanent'));
    assert.equal(rebuilding.transition?.replacement, spare.address);
    const done = await applyEngineStatus(store, completionOf(opened, []));
    assert.equal(done.outcome, 'applied', done.reason);
    const entry = (await serversOf(store, pair.primary))[2];
    assert.deepEqual(
      [entry?.address, entry?.db, entry?.status, entry?.generation],
      [spare.address, 1, 'online', 2],
    );
    assert.equal((await applyEngineStatus(store, failure(lost, { operation: 'late' }))).code, 'retired');
  });
});

describe('a spread', () => {
  const spreadOf = (
    { incident }: EngineStatusResult,
    hindrance: string | null = null,
  ): EngineStatusInput => ({
    ...{ kind: 'spread', incident: incident?.id ?? 'none', attempt: incident?.attempt ?? 0, afterMs: 0 },
    ...{ hindrance, by: 'coordinator', operation: `spread-${incident?.id}` },
  });

  it('says in the incident what is in its way, begins when that is gone, and ends with both members rip', async () => {
    const pair = await createPair(store, 0);
    const opened = await applyEngineStatus(store, failure(pair.address('slave', 1)));
    await applyEngineStatus(store, verdictOn(opened, 'permanent'));
    const key = incidentKey(pair.slave, 1);
    const waitsFor = async () =>
      parseRecord(incidentSchema, key, (await store.get(key))?.value ?? assert.fail('no incident')).waitsFor;
    assert.match((await waitsFor()) ?? '', /no spare left/);
    const hindered = await applyEngineStatus(store, spreadOf(opened, 'v7 is of type boot'));
    assert.deepEqual([hindered.outcome, hindered.code], ['applied', 'spread-hindered']);
    assert.match((await waitsFor()) ?? '', /v7 is of type boot/);

    const begun = await applyEngineStatus(store, spreadOf(opened));
    assert.deepEqual(
      [begun.transition?.to, begun.transition?.replacement],
      ['repair-final-outage', undefined],
    );
    assert.equal(await waitsFor(), undefined);
    const meanwhile = await applyEngineStatus(store, failure(pair.address('primary', 1)));
    assert.equal(meanwhile.transition?.to, 'offline');
    const done = await applyEngineStatus(store, completionOf(opened, ['v1', 'v2']));
    assert.equal(done.outcome, 'applied', done.reason);
    for (const cluster of [pair.primary, pair.slave]) {
      const entry = (await serversOf(store, cluster))[1];
      assert.deepEqual([entry?.state, entry?.status], ['rip', 'rip']);
      assert.equal((await recordOf(store, cluster)).status, 'healthy');
      assert.equal(await store.get(incidentKey(cluster, 1)), null);
    }
    for (const id of [opened.incident?.id, meanwhile.incident?.id]) {
      const closed = await store.get(closedIncidentKey(id ?? ''));
      assert.equal(
        parseRecord(closedIncidentSchema, CLOSED_INCIDENTS_PREFIX, closed?.value ?? '').outcome,
        'spread',
      );
    }
    const late = await applyEngineStatus(store, failure(pair.address('slave', 1), { operation: 'late-rip' }));
    assert.equal(late.code, 'rip');
  });
});

describe('the steps of an incident', () => {
  it('say in which revision of etcd they were stored, all but the last', async () => {
    const { primary, address } = await createPair(store);
    const report = await applyEngineStatus(store, failure(address('primary', 0)), { cluster: primary });
    const stored = await store.get(incidentKey(primary, 0));
    const judged = await applyEngineStatus(store, verdictOn(report, 'temporary'), { cluster: primary });
    assert.equal(judged.outcome, 'applied', judged.reason);
    const again = { operation: 'report-again', reporter: 'nbd-2' };
    await applyEngineStatus(store, failure(address('primary', 0), again), { cluster: primary });
    const key = incidentKey(primary, 0);
    const { history } = parseRecord(incidentSchema, key, (await store.get(key))?.value ?? '');
    assert.deepEqual(
      history.map(({ to, revision }) => ({ to, isKnown: revision !== undefined })),
      [
        { to: 'offline', isKnown: true },
        { to: 'repair-tmp-outage', isKnown: true },
        { to: 'offline', isKnown: false },
      ],
    );
    assert.equal(history[0]?.revision, Number(stored?.revision));
    assert.ok(Number(history[1]?.revision) > Number(stored?.revision));
  });
});

describe('a repair record', () => {
  it('is written once, by the owner, for the attempt under repair', async () => {
    const pair = await createPair(store);
    const opened = await applyEngineStatus(store, failure(pair.address('primary', 0)));
    const { id = '', attempt = 1 } = opened.incident ?? {};
    const lease = await store.grantLease(30);
    const owner = JSON.stringify({ server: 'nbd-1', instance: 'i', since: 1 });
    await store.transact({ compare: [], puts: [{ key: ownerKey('rv1'), value: owner, lease: lease.id }] });
    const epoch = (await store.get(ownerKey('rv1')))?.createRevision ?? '0';
    const repair = {
      vdisk: 'rv1',
      incident: id,
      attempt,
      server: 'nbd-1',
      epoch,
      dirtyBlocks: 3,
      copiedBlocks: 3,
      repairMs: 12,
      at: 5,
    };
    const put = (changes: object = {}) =>
      putRepairRecord(store, { cluster: pair.primary, shard: 0, repair: { ...repair, ...changes } });
    assert.equal((await put()).code, 'not-under-repair');
    await applyEngineStatus(store, verdictOn(opened, 'temporary'));
    assert.equal((await put({ epoch: '1' })).code, 'not-owner');
    assert.equal((await put({ attempt: 2 })).code, 'stale-attempt');
    assert.equal((await put({ incident: `${pair.primary}-0-old` })).code, 'incident-not-open');
    assert.equal((await put({ vdisk: 'rv2' })).code, 'not-owner');
    assert.equal((await put()).outcome, 'applied');
    assert.equal((await put()).outcome, 'already');
    assert.deepEqual(await listRepairRecords(store, id, attempt), [repair]);
    await lease.revoke();
  });
});
