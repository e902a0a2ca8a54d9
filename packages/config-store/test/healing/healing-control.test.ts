import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { applyEngineStatus } from '../../src/healing/apply-engine-status.ts';
import {
  applyHealingControl,
  heldByOperators,
  readHealingControls,
} from '../../src/healing/apply-healing-control.ts';
import type { HealingControlInput } from '../../src/healing/healing-control.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import { incidentSchema } from '../../src/healing/records.ts';
import { healingClusterKey, healingEverywhereKey, incidentKey, ownerKey } from '../../src/keys.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createPair, failure, serversOf } from './store-fixture.ts';

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

let operations = 0;
const input = (kind: string, more: object = {}): HealingControlInput =>
  ({
    ...{ kind, by: 'alice', reason: 'moving racks', operation: `control-${operations++}` },
    ...more,
  }) as HealingControlInput;

async function verdictOn(address: string): Promise<string> {
  const down = await applyEngineStatus(store, failure(address, { operation: `fail-${operations++}` }));
  const { incident } = down;
  const judged = await applyEngineStatus(store, {
    ...{ kind: 'verdict', incident: incident?.id ?? '', attempt: incident?.attempt ?? 0 },
    ...{
      verdict: 'temporary',
      reason: 'probed',
      evidence: [],
      by: 'analyzer',
      operation: `v-${operations++}`,
    },
  });
  return judged.code;
}

describe('what operators hold back', () => {
  it('keeps verdicts of its cluster from being applied until it is resumed', async () => {
    const [pair, other] = [await createPair(store), await createPair(store)];
    const paused = await applyHealingControl(store, pair.primary, input('pause'));
    assert.equal(paused.outcome, 'applied', paused.reason);
    assert.equal(await verdictOn(pair.address('primary', 0)), 'healing-paused');
    assert.equal(await verdictOn(other.address('primary', 0)), 'moved');
    assert.equal((await applyHealingControl(store, pair.primary, input('pause'))).outcome, 'already');
    await applyHealingControl(store, pair.primary, input('resume'));
    assert.equal(await verdictOn(pair.address('primary', 0)), 'moved');
  });

  it('everywhere keeps those of every cluster, and is noted in every open incident', async () => {
    const pair = await createPair(store);
    await applyEngineStatus(store, failure(pair.address('primary', 1)));
    const pause = input('pause');
    await applyHealingControl(store, undefined, pause);
    try {
      assert.equal(await verdictOn(pair.address('primary', 1)), 'healing-paused');
      const key = incidentKey(pair.primary, 1);
      const { actions } = parseRecord(incidentSchema, key, (await store.get(key))?.value ?? '');
      assert.deepEqual(
        actions?.map(({ action, by, operation }) => [action, by, operation]),
        [['healing.pause', 'alice', pause.operation]],
      );
    } finally {
      await applyHealingControl(store, undefined, input('resume'));
    }
    const { log, pause: left } = await readHealingControls(store);
    assert.equal(left, undefined);
    assert.deepEqual(
      log.slice(-2).map(({ action }) => action),
      ['healing.pause', 'healing.resume'],
    );
  });

  it('by a downtime ends by itself', async () => {
    const pair = await createPair(store);
    const address = pair.address('primary', 2);
    let now = 1_000_000;
    const clock = { now: () => now };
    const begin = input('begin-downtime', { address, durationMs: 1_000 });
    assert.equal((await applyHealingControl(store, pair.primary, begin, clock)).outcome, 'applied');
    assert.equal((await applyHealingControl(store, pair.primary, begin, clock)).code, 'same-operation');
    const shorter = input('begin-downtime', { address, durationMs: 10 });
    assert.equal((await applyHealingControl(store, pair.primary, shorter, clock)).outcome, 'already');
    const end = input('end-downtime', { address });
    now += 1_001;
    assert.equal((await applyHealingControl(store, pair.primary, end, clock)).outcome, 'already');
  });

  it('by a downtime of one engine ends before its time when somebody says so', async () => {
    const pair = await createPair(store);
    const address = pair.address('primary', 0);
    await applyHealingControl(store, pair.primary, input('begin-downtime', { address, durationMs: 60_000 }));
    assert.equal(await verdictOn(address), 'downtime');
    const ended = await applyHealingControl(store, pair.primary, input('end-downtime', { address }));
    assert.equal(ended.outcome, 'applied');
    assert.equal(await verdictOn(address), 'moved');
  });

  it('is refused for a cluster that does not exist, and for a time without end', async () => {
    const pair = await createPair(store);
    assert.equal((await applyHealingControl(store, 'none', input('pause'))).code, 'unknown-cluster');
    const endless = input('begin-downtime', { durationMs: 1e12 });
    assert.equal((await applyHealingControl(store, pair.primary, endless)).code, 'invalid-downtime');
  });

  it('is told to whoever would do something about the engine', async () => {
    const pair = await createPair(store);
    const address = pair.address('primary', 0);
    const down = await applyEngineStatus(store, failure(address));
    const held = async (): Promise<string | undefined> => {
      const key = incidentKey(pair.primary, 0);
      const incident = parseRecord(incidentSchema, key, (await store.get(key))?.value ?? '');
      return heldByOperators(store, incident, Date.now());
    };
    assert.equal(down.outcome, 'applied');
    assert.equal(await held(), undefined);
    await applyHealingControl(store, pair.primary, input('begin-downtime', { address, durationMs: 60_000 }));
    assert.match(String(await held()), /announced a downtime/);
    await applyHealingControl(store, pair.primary, input('pause'));
    assert.match(String(await held()), /paused healing/);
    await applyEngineStatus(store, {
      ...({ kind: 'take-offline', address, by: 'alice', reason: 'new memory', force: true } as const),
      ...{ operation: `out-${operations++}`, vdisks: { single: [], mirrored: [] } },
    });
    assert.match(String(await held()), /alice took .* offline/);
  });

  it('in a record that cannot be read stops verdicts, never the recording of a failure', async () => {
    const pair = await createPair(store);
    const key = healingClusterKey(pair.primary);
    await store.transact({ compare: [], puts: [{ key, value: '{"pause": 7}' }] });
    assert.equal(await verdictOn(pair.address('primary', 0)), 'healing-paused');
    assert.equal((await serversOf(store, pair.primary))[0]?.status, 'offline');
    assert.equal(await store.get(healingEverywhereKey).then((entry) => entry === null), false);
  });
});

describe('a stale engine that somebody brings back', () => {
  it('ends its incident and the owners that know better, in one transaction', async () => {
    const pair = await createPair(store);
    const [engine, partner] = [pair.address('primary', 0), pair.address('slave', 0)];
    await applyEngineStatus(store, failure(engine));
    await applyEngineStatus(store, failure(partner));
    await store.transact({ compare: [], puts: [{ key: ownerKey('lost-1'), value: '{}' }] });
    const order = {
      ...({ kind: 'bring-online', address: engine, by: 'alice' } as const),
      ...{ reason: 'the other one burnt', operation: `back-${operations++}` },
    };
    assert.equal((await applyEngineStatus(store, order)).code, 'stale-engine');
    const last = await applyEngineStatus(store, { ...order, address: partner, operation: 'last' });
    assert.equal(last.transition?.to, 'repair-tmp-outage', 'the partner served last');
    const accepts = { vdisks: [{ vdisk: 'lost-1', blocks: 3, detail: 'counted' }] };
    const accepted = { ...order, accepts, operation: 'accepted' };
    const result = await applyEngineStatus(store, accepted);
    assert.equal(result.outcome, 'applied', result.reason);
    assert.equal((await serversOf(store, pair.primary))[0]?.status, 'online');
    assert.equal(await store.get(ownerKey('lost-1')), null);
    assert.equal((await applyEngineStatus(store, accepted)).code, 'same-operation');
  });

  it('is not brought back unrepaired while a vdisk is owned', async () => {
    const pair = await createPair(store);
    const engine = pair.address('primary', 0);
    await applyEngineStatus(store, failure(engine));
    await store.transact({ compare: [], puts: [{ key: ownerKey('used-1'), value: '{}' }] });
    const order = {
      ...({ kind: 'bring-online', address: engine, by: 'alice' } as const),
      ...{ reason: 'it missed nothing', operation: `back-${operations++}`, missedWrites: false },
    };
    const options = { unowned: ['used-1'], attemptsMax: 2 };
    assert.equal((await applyEngineStatus(store, order, options)).outcome, 'conflict');
    await store.transact({ compare: [], deletes: [ownerKey('used-1')] });
    assert.equal((await applyEngineStatus(store, order, options)).transition?.to, 'online');
  });
});
