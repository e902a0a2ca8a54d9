import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, busManifest } from '@salvor/bus';
import { schemaList } from '@salvor/contracts';
import { DiscardPolicy, type JetStreamManager, nanos, StorageType } from 'nats';
import { BusFixture } from './bus-fixture.ts';

describe('the stream manifest', () => {
  let fixture: BusFixture;
  let bus: Bus;
  let jsm: JetStreamManager;

  before(async () => {
    fixture = await BusFixture.create({ manifest: false });
    bus = await fixture.bus();
    jsm = await (await fixture.client()).jetstreamManager();
  });
  after(() => fixture.close());

  it('is found missing, made, and found as it should be', async () => {
    const missing = await bus.checkManifest();
    assert.deepEqual(
      missing.map(({ name }) => name),
      [
        'SALVOR_EVT',
        'SALVOR_DLQ',
        'SALVOR_DLQ_ADV',
        'KV_salvor_schemas',
        'SALVOR_EVT.repair-coordinator',
        'SALVOR_EVT.health-analyzer',
      ],
    );
    const applied = await bus.applyManifest();
    assert.ok(applied.every(({ action }) => action === 'created'));
    assert.deepEqual(await bus.checkManifest(), []);
    const { config } = await jsm.streams.info('SALVOR_EVT');
    assert.equal(config.max_age, nanos(7 * 24 * 60 * 60 * 1000));
    assert.equal((await jsm.streams.info('SALVOR_DLQ')).config.discard, DiscardPolicy.New);
    const durable = await jsm.consumers.info('SALVOR_EVT', 'health-analyzer');
    assert.equal(durable.config.filter_subject, 'salvor.evt.v1.engine.>');
  });

  it('changes nothing when it is applied again', async () => {
    const applied = await bus.applyManifest();
    assert.ok(applied.every(({ action }) => action === 'unchanged'));
  });

  it('detects and mends what was changed by hand', async () => {
    await jsm.streams.update('SALVOR_EVT', { max_age: nanos(60 * 60 * 1000) });
    await jsm.consumers.delete('SALVOR_EVT', 'health-analyzer');
    const drift = await bus.checkManifest();
    assert.deepEqual(
      drift.map(({ name, setting }) => [name, setting]),
      [
        ['SALVOR_EVT', 'max_age'],
        ['SALVOR_EVT.health-analyzer', undefined],
      ],
    );
    const applied = await bus.applyManifest();
    const changed = applied.filter(({ action }) => action !== 'unchanged');
    assert.deepEqual(changed, [
      { kind: 'stream', name: 'SALVOR_EVT', action: 'updated' },
      { kind: 'consumer', name: 'SALVOR_EVT.health-analyzer', action: 'created' },
    ]);
    assert.deepEqual(await bus.checkManifest(), []);
  });

  it('says so when the server refuses a change', async () => {
    await jsm.streams.delete('SALVOR_DLQ_ADV');
    const subjects = busManifest.streams.find(({ name }) => name === 'SALVOR_DLQ_ADV')?.subjects ?? [];
    await jsm.streams.add({ name: 'SALVOR_DLQ_ADV', subjects: [...subjects], storage: StorageType.Memory });
    await assert.rejects(bus.applyManifest(), (error) => {
      assert.match(String(error), /stream SALVOR_DLQ_ADV/);
      return true;
    });
    await jsm.streams.delete('SALVOR_DLQ_ADV');
    await bus.applyManifest();
  });

  it('publishes every schema under its fingerprint, and never writes over one', async () => {
    for (const { fingerprint, canonicalJson } of schemaList) {
      assert.equal(await bus.lookUpSchema(fingerprint), canonicalJson);
    }
    assert.equal(await bus.lookUpSchema('0000000000000000'), undefined);
    assert.equal(await bus.lookUpSchema('no fingerprint'), undefined);
    const [first] = schemaList;
    assert.ok(first);
    const kv = await (await fixture.client()).jetstream().views.kv('salvor_schemas');
    await kv.put(first.fingerprint, '"string"');
    assert.deepEqual(
      (await bus.checkManifest()).map(({ kind, name }) => [kind, name]),
      [['schema', first.fingerprint]],
    );
    await assert.rejects(bus.applyManifest(), { code: 'manifest-drift' });
    assert.equal((await kv.get(first.fingerprint))?.string(), '"string"');
  });
});
