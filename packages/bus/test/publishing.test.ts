import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, BusError } from '@salvor/bus';
import { decodeAs, fingerprintOf } from '@salvor/contracts';
import type { NatsConnection } from 'nats';
import { BusFixture, mounted } from './bus-fixture.ts';
import { eventually } from './nats-process.ts';

describe('publishing events', () => {
  let fixture: BusFixture;
  let bus: Bus;
  let client: NatsConnection;

  before(async () => {
    fixture = await BusFixture.create();
    bus = await fixture.bus({ name: 'publisher' });
    client = await fixture.client();
  });
  after(() => fixture.close());

  const stored = async (seq: number) =>
    (await client.jetstreamManager()).streams.getMessage('SALVOR_EVT', { seq });

  it('stores Avro bytes under the subject of the catalogue with CloudEvents headers', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { stream, seq, duplicate } = await bus.publishEvent('vdisk.mounted', mounted('v1'), {
      id: 'e-1',
      traceparent,
    });
    assert.deepEqual({ stream, duplicate }, { stream: 'SALVOR_EVT', duplicate: false });
    const message = await stored(seq);
    assert.equal(message.subject, 'salvor.evt.v1.vdisk.mounted.v1');
    assert.deepEqual(decodeAs('VdiskMounted', message.data), mounted('v1'));
    const header = (name: string) => message.header.get(name);
    assert.equal(header('ce-specversion'), '1.0');
    assert.equal(header('ce-id'), 'e-1');
    assert.equal(header('Nats-Msg-Id'), 'e-1');
    assert.equal(header('ce-type'), 'salvor.vdisk.mounted.v1');
    assert.equal(header('ce-source'), '/salvor/publisher');
    assert.equal(header('ce-datacontenttype'), 'application/vnd.apache.avro+binary');
    assert.equal(header('ce-dataschema'), `nats-kv:salvor_schemas/${fingerprintOf('VdiskMounted')}`);
    assert.match(header('ce-time'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(header('traceparent'), /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  });

  it('stores an event published twice under one id once', async () => {
    const first = await bus.publishEvent('vdisk.mounted', mounted('twice'), { id: 'same' });
    const second = await bus.publishEvent('vdisk.mounted', mounted('twice'), { id: 'same' });
    assert.deepEqual(second, { ...first, duplicate: true });
  });

  it('rejects a payload that does not fit its schema, and sends nothing', async () => {
    const wrong = { ...mounted('v1'), epoch: 'many' } as unknown as ReturnType<typeof mounted>;
    await assert.rejects(bus.publishEvent('vdisk.mounted', wrong), { code: 'invalid-value' });
    await assert.rejects(bus.publishEvent('vdisk.mounted', mounted('a.b')), { code: 'invalid-id' });
    await assert.rejects(bus.publishEvent('vdisk.mounted', mounted('v1'), { id: 'two words' }), {
      code: 'invalid-event-id',
    });
    assert.equal(bus.outboxSize().messages, 0);
  });

  it('rejects an event larger than the server takes', async () => {
    const line = Buffer.alloc(2 * 1024 * 1024);
    const event = { source: 's', reason: 'r', line, at: 1 };
    await assert.rejects(bus.publishEvent('log.line-rejected', event), { code: 'payload-too-large' });
    assert.equal(bus.connected(), true);
  });

  it('goes on after acknowledgements that make no sense', async () => {
    const junk = ['', '{', 'null', '[]', '{"error":{}}', '{"stream":1}'];
    const meddler = client.subscribe('salvor.evt.v1.vdisk.mounted.meddled', {
      callback: (_error, message) => message.respond(junk.shift() ?? '?'),
    });
    await client.flush();
    while (junk.length > 0) await bus.publishEvent('vdisk.mounted', mounted('meddled'));
    meddler.unsubscribe();
    assert.equal((await bus.publishEvent('vdisk.mounted', mounted('sane'))).duplicate, false);
  });
});

describe('publishing events during outages', () => {
  let fixture: BusFixture;

  before(async () => {
    fixture = await BusFixture.create();
  });
  after(() => fixture.close());

  it('loses and doubles nothing when the server is killed under a stream of events', async () => {
    const bus = await fixture.bus();
    const published: Promise<unknown>[] = [];
    const publish = (n: number) => published.push(bus.publishEvent('vdisk.mounted', mounted(`k${n}`)));
    for (let n = 0; n < 200; n += 1) publish(n);
    await fixture.server.kill();
    for (let n = 200; n < 400; n += 1) publish(n);
    await eventually('the bus notices', () => !bus.connected());
    for (let n = 400; n < 600; n += 1) publish(n);
    await fixture.server.start();
    for (let n = 600; n < 700; n += 1) publish(n);
    await Promise.all(published);
    const jsm = await (await fixture.client()).jetstreamManager();
    const { state } = await jsm.streams.info('SALVOR_EVT', {
      subjects_filter: 'salvor.evt.v1.vdisk.mounted.*',
    });
    assert.equal(state.messages, 700);
    assert.deepEqual(new Set(Object.values(state.subjects ?? {})), new Set([1]));
    assert.equal(Object.keys(state.subjects ?? {}).length, 700);
  });

  it('tells the publisher when an event is not stored in the time given', async () => {
    const bus = await fixture.bus();
    await fixture.server.kill();
    const late = bus.publishEvent('vdisk.mounted', mounted('late'), { timeoutMs: 300 });
    await assert.rejects(late, { code: 'publish-deadline' });
    await fixture.server.start();
  });

  it('refuses events beyond the bounds of the outbox and keeps those it has', async () => {
    const bus = await fixture.bus({ outbox: { maxMessages: 3 } });
    await fixture.server.kill();
    await eventually('the bus notices', () => !bus.connected());
    const kept = [1, 2, 3].map((n) => bus.publishEvent('vdisk.mounted', mounted(`kept${n}`)));
    await assert.rejects(bus.publishEvent('vdisk.mounted', mounted('over')), { code: 'outbox-full' });
    await fixture.server.start();
    const seqs = (await Promise.all(kept)).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      [...seqs].sort((a, b) => a - b),
    );
  });

  it('rejects what is unsent when the bus is closed', async () => {
    const bus = await fixture.bus();
    await fixture.server.kill();
    await eventually('the bus notices', () => !bus.connected());
    const unsent = assert.rejects(bus.publishEvent('vdisk.mounted', mounted('unsent')), {
      code: 'bus-closed',
    });
    await bus.close({ deadlineMs: 200 });
    await unsent;
    await assert.rejects(bus.publishEvent('vdisk.mounted', mounted('closed')), BusError);
    await fixture.server.start();
  });

  it('waits for a stream that is not there yet', async () => {
    const bare = await BusFixture.create({ manifest: false });
    try {
      const bus = await bare.bus();
      const early = bus.publishEvent('vdisk.mounted', mounted('early'));
      await eventually('it says so', () => bare.log.lines.some(({ msg }) => msg === 'publish is repeated'));
      await bus.applyManifest();
      assert.equal((await early).seq, 1);
    } finally {
      await bare.close();
    }
  });
});
