import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { applyEngineStatus } from '../../src/healing/apply-engine-status.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure } from './store-fixture.ts';

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

it('a report repeated with its operation id is answered with what it did, also after the incident has ended', async () => {
  const pair = await createPair(store);
  const report = failure(pair.address('primary', 1), { operation: 'op-1' });
  const first = await applyEngineStatus(store, report);
  const repeats = [await applyEngineStatus(store, report)];
  const about = { incident: first.incident?.id ?? 'none', attempt: 1, operation: 'judge', by: 'test' };
  await applyEngineStatus(store, {
    ...about,
    kind: 'verdict',
    verdict: 'temporary',
    reason: 'back',
    evidence: [],
  });
  repeats.push(await applyEngineStatus(store, report));
  await applyEngineStatus(store, {
    ...about,
    kind: 'repairs-complete',
    operation: 'complete',
    repaired: new Set(),
    vdisks: new Set(),
  });
  repeats.push(await applyEngineStatus(store, report));
  for (const repeat of repeats) {
    assert.deepEqual([repeat.outcome, repeat.code], ['already', 'same-operation']);
    assert.deepEqual(repeat.before, { incident: first.incident?.id, status: 'offline' });
    assert.deepEqual(repeat.effects, [], 'told once');
  }
});
