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
        'TLOG_0',
        'TLOG_1',
        'TLOG_2',
        'TLOG_3',
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

  it('gives the log streams that refuse what does not fit, and keep single messages', async () => {
    const { config } = await jsm.streams.info('TLOG_3');
    assert.deepEqual(config.subjects, ['salvor.tlog.v1.3.>']);
    assert.equal(config.discard, DiscardPolicy.New);
    assert.equal(config.storage, StorageType.File);
    assert.equal(config.max_bytes, 1024 * 1024 * 1024);
    assert.equal(config.deny_delete, true);
    assert.ok(config.duplicate_window >= nanos(2 * 60 * 1000));
    const before = (await jsm.streams.list().next()).length;
    const applied = await bus.applyManifest({ containers: 6, containerBytes: 8 * 1024 * 1024 });
    const streams = applied.filter(({ name, action }) => name.startsWith('TLOG_') && action !== 'unchanged');
    assert.deepEqual(
      streams.map(({ name, action }) => `${name} ${action}`),
      [
        'TLOG_0 updated',
        'TLOG_1 updated',
        'TLOG_2 updated',
        'TLOG_3 updated',
        'TLOG_4 created',
        'TLOG_5 created',
      ],
    );
    assert.equal((await jsm.streams.list().next()).length, before + 2);
    const missing = await bus.applyManifest({ containers: 7, missingOnly: true });
    assert.deepEqual(
      missing.filter(({ action }) => action !== 'unchanged').map(({ name, action }) => `${name} ${action}`),
      ['TLOG_6 created'],
      'what is there is left as it is',
    );
    await assert.rejects(bus.applyManifest({ containers: 0 }), /1 to 256 containers/);
    await assert.rejects(bus.checkManifest({ containerBytes: 1 }), /bytes a container/);
    await bus.applyManifest();
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
