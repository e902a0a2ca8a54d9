import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { applyInBurst } from '../../src/healing/failure-burst.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import { incidentSchema } from '../../src/healing/records.ts';
import { clusterIncidentsPrefix } from '../../src/keys.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure, serversOf } from './store-fixture.ts';

const ENGINES = 50;

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

const shards = Array.from({ length: ENGINES }, (_, shard) => shard);

async function incidentsOf(cluster: string) {
  const { entries } = await store.list(clusterIncidentsPrefix(cluster));
  return entries.map(({ key, value }) => parseRecord(incidentSchema, key, value));
}

function countingTransactions(): { store: ConfigStore; transactions: () => number } {
  let transactions = 0;
  const counting: ConfigStore = {
    ...store,
    transact: (transaction) => {
      transactions++;
      return store.transact(transaction);
    },
  };
  return { store: counting, transactions: () => transactions };
}

describe('reports of many engines at once', () => {
  it('make one incident and one transition for each engine, in few transactions', async () => {
    const { primary, address } = await createPair(store, 0, ENGINES);
    const counting = countingTransactions();
    const results = await Promise.all(
      shards.map((shard) =>
        applyInBurst(counting.store, failure(address('primary', shard)), { cluster: primary }),
      ),
    );
    assert.ok(
      results.every(({ outcome, transition }) => outcome === 'applied' && transition?.to === 'offline'),
    );
    assert.deepEqual(
      results.map(({ shard }) => shard),
      shards,
    );
    const servers = await serversOf(store, primary);
    assert.ok(servers.every(({ status }) => status === 'offline'));
    const incidents = await incidentsOf(primary);
    assert.equal(incidents.length, ENGINES);
    assert.ok(incidents.every(({ history }) => history.length === 1));
    assert.ok(counting.transactions() <= 4, `${counting.transactions()} transactions`);
  });

  it('from two who do not know of one another still make one incident for each engine', async () => {
    const { primary, address } = await createPair(store, 0, ENGINES);
    const other = openStore({ endpoints: [etcd.endpoint] });
    const report = (via: ConfigStore, reporter: string) => (shard: number) => {
      const engine = address('primary', shard);
      const input = failure(engine, { reporter, operation: `${reporter}-${engine}` });
      return applyInBurst(via, input, { cluster: primary });
    };
    const results = await Promise.all([
      ...shards.map(report(store, 'nbd-1')),
      ...shards.map(report(other, 'nbd-2')),
    ]);
    other.close();
    const applied = results.filter(({ outcome }) => outcome === 'applied');
    assert.equal(applied.length, ENGINES);
    assert.equal(results.filter(({ outcome }) => outcome === 'already').length, ENGINES);
    const incidents = await incidentsOf(primary);
    assert.equal(incidents.length, ENGINES);
    assert.ok(incidents.every(({ history }) => history.length === 1));
  });

  it('are judged, and end, in few transactions too', async () => {
    const { primary, address } = await createPair(store, 0, ENGINES);
    const inCluster = { cluster: primary };
    const failed = await Promise.all(
      shards.map((shard) => applyInBurst(store, failure(address('primary', shard)), inCluster)),
    );
    const incidents = failed.map(({ incident }) => incident ?? assert.fail('each has an incident'));
    const judging = countingTransactions();
    const judged = await Promise.all(
      incidents.map(({ id, attempt }) =>
        applyInBurst(
          judging.store,
          {
            ...{
              kind: 'verdict',
              incident: id,
              attempt,
              verdict: 'temporary',
              reason: 'it answers',
              evidence: [],
            },
            ...{ by: 'analyzer', operation: `judge-${id}` },
          },
          inCluster,
        ),
      ),
    );
    assert.ok(judged.every(({ transition }) => transition?.to === 'repair-tmp-outage'));
    assert.ok(judging.transactions() <= 6, `${judging.transactions()} transactions for the verdicts`);
    const ending = countingTransactions();
    const nothing = { repaired: new Set<string>(), vdisks: new Set<string>() };
    const ended = await Promise.all(
      incidents.map(({ id, attempt }) =>
        applyInBurst(
          ending.store,
          { kind: 'repairs-complete', incident: id, attempt, ...nothing, by: 'test', operation: `end-${id}` },
          inCluster,
        ),
      ),
    );
    assert.ok(ended.every(({ transition }) => transition?.to === 'online'));
    assert.ok(ending.transactions() <= 6, `${ending.transactions()} transactions for the ends`);
    assert.ok((await serversOf(store, primary)).every(({ status }) => status === 'online'));
    assert.deepEqual(await incidentsOf(primary), []);
  });

  it('are applied in the order in which they came, though together', async () => {
    const { primary, address } = await createPair(store);
    const inCluster = { cluster: primary };
    const { incident } = await applyInBurst(store, failure(address('primary', 0)), inCluster);
    const { id, attempt } = incident ?? assert.fail();
    const judge = (verdict: 'temporary' | 'permanent') =>
      applyInBurst(
        store,
        {
          ...{ kind: 'verdict', incident: id, attempt, verdict, reason: 'found so', evidence: [] },
          ...{ by: 'analyzer', operation: `${verdict}-${id}` },
        },
        inCluster,
      );
    const results = await Promise.all([
      judge('temporary'),
      judge('permanent'),
      applyInBurst(
        store,
        failure(address('primary', 0), { operation: 'again', detectedAt: Date.now() + 120_000 }),
        inCluster,
      ),
    ]);
    assert.deepEqual(
      results.map(({ code }) => code),
      ['moved', 'verdict-in-force', 'moved'],
    );
    assert.deepEqual(
      (await incidentsOf(primary)).map((open) => [open.status, open.attempt]),
      [['offline', 2]],
    );
  });

  it('are not kept from their effect by one that has none', async () => {
    const { primary, address } = await createPair(store);
    const [good, bad, again] = await Promise.all(
      [address('primary', 0), '10.0.0.99:1', address('primary', 0)].map((engine, i) =>
        applyInBurst(store, failure(engine, { operation: `mixed-${i}` }), { cluster: primary }),
      ),
    );
    assert.equal(good?.outcome, 'applied');
    assert.equal(bad?.code, 'unknown-address');
    assert.equal(again?.outcome, 'already');
  });

  it('under an operation that was applied before change nothing', async () => {
    const { primary, address } = await createPair(store);
    const report = (shard: number) =>
      applyInBurst(store, failure(address('primary', shard)), { cluster: primary });
    await Promise.all([report(0), report(1)]);
    const again = await Promise.all([report(0), report(1), report(2)]);
    assert.deepEqual(
      again.map(({ code }) => code),
      ['same-operation', 'same-operation', 'moved'],
    );
  });
});
