import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type Bus, type BusEvent, type Consumption, connectBus, RejectEvent, RetryLater } from '@salvor/bus';
import { encode } from '@salvor/contracts';
import { headers, type NatsConnection, type StoredMsg } from 'nats';
import { BusFixture, failure, keepingLogger, mounted } from './bus-fixture.ts';
import { eventually, NatsProcess } from './nats-process.ts';
import { publishRaw } from './raw-publish.ts';

const ENGINE = '10.100.0.1:22005';

describe('consuming events', () => {
  let fixture: BusFixture;
  let bus: Bus;
  let client: NatsConnection;
  let consumption: Consumption | undefined;

  beforeEach(async () => {
    fixture = await BusFixture.create();
    bus = await fixture.bus();
    client = await fixture.client();
  });
  afterEach(async () => {
    await consumption?.stop();
    await fixture.close();
  });

  const info = async () => (await client.jetstreamManager()).consumers.info('SALVOR_EVT', 'health-analyzer');
  const settled = async () => {
    const { num_pending, num_ack_pending } = await info();
    return num_pending === 0 && num_ack_pending === 0;
  };
  const deadLetters = async (): Promise<StoredMsg[]> => {
    const jsm = await client.jetstreamManager();
    const { state } = await jsm.streams.info('SALVOR_DLQ');
    const seqs = Array.from({ length: state.messages }, (_, i) => state.first_seq + i);
    return Promise.all(seqs.map((seq) => jsm.streams.getMessage('SALVOR_DLQ', { seq })));
  };
  const aDeadLetter = () =>
    eventually('a dead letter is stored', async () => (await deadLetters()).length > 0);

  it('hands over what was published before it started, typed and with its origin', async () => {
    await bus.publishEvent('engine.failure-reported', failure(ENGINE), { id: 'e-1' });
    const seen: BusEvent<'engine.failure-reported'>[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async (event) => {
        seen.push(event);
      },
    });
    await eventually('the event is handled', () => seen.length === 1);
    const [event] = seen;
    assert.equal(event?.payload.address, ENGINE);
    assert.equal(event?.id, 'e-1');
    assert.equal(event?.source, '/salvor/test');
    assert.equal(event?.stored?.seq, 1);
    assert.match(event?.traceparent ?? '', /^00-/);
    await eventually('it is acknowledged', settled);
  });

  it('acknowledges events of other types unread', async () => {
    let handled = 0;
    client.publish('salvor.evt.v1.engine.invented-later.x', 'anything');
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.status-changed'],
      handler: async () => {
        handled += 1;
      },
    });
    await eventually('both are settled', settled);
    assert.equal(handled, 0);
    assert.deepEqual(await deadLetters(), []);
  });

  it('repeats a failed event after its backoff and stores a dead letter at the end', async () => {
    const at: number[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      maxDeliver: 3,
      backoffMs: [50, 100],
      handler: async () => {
        at.push(performance.now());
        throw new Error('no\r\nluck: größer');
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE), { id: 'doomed' });
    await aDeadLetter();
    assert.equal(at.length, 3);
    const [first = 0, second = 0, third = 0] = at;
    assert.ok(second - first >= 45, `second delivery after ${second - first} ms`);
    assert.ok(third - second >= 95, `third delivery after ${third - second} ms`);
    const [letter] = await deadLetters();
    assert.equal(letter?.subject, 'salvor.dlq.v1.SALVOR_EVT.health-analyzer');
    assert.equal(letter?.header.get('Salvor-Dlq-Code'), 'handler-failed');
    assert.match(
      letter?.header.get('Salvor-Dlq-Reason') ?? '',
      /failed 3 times, at last: no luck: gr\?\?er|no luck: gr\?\S*er/,
    );
    assert.equal(letter?.header.get('Salvor-Dlq-Seq'), '1');
    assert.equal(letter?.header.get('ce-id'), 'doomed');
    assert.deepEqual(Buffer.from(letter?.data ?? []), encode('EngineFailureReported', failure(ENGINE)));
    await eventually('it is settled', settled);
  });

  it('stores what the handler rejects as a dead letter at once', async () => {
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async () => {
        throw new RejectEvent('no such cluster');
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    await aDeadLetter();
    const [letter] = await deadLetters();
    assert.equal(letter?.header.get('Salvor-Dlq-Deliveries'), '1');
    assert.equal(letter?.header.get('Salvor-Dlq-Reason'), 'no such cluster');
  });

  it('holds an event whose handler waits for something else, without counting it as failed', async () => {
    let calls = 0;
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      maxDeliver: 1,
      handler: async (event) => {
        calls += 1;
        assert.equal(event.stored?.deliveries, 1);
        if (calls < 4) throw new RetryLater('etcd is away', 20);
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    await eventually('it is handled in the end', async () => calls === 4 && (await settled()));
    assert.deepEqual(await deadLetters(), []);
  });

  it('stores bytes that are no event as dead letters, and goes on', async () => {
    const subject = 'salvor.evt.v1.engine.failure-reported.x';
    client.publish(subject, '');
    client.publish(subject, 'hello');
    client.publish(subject, Buffer.from([0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    client.publish(subject, encode('EngineFailureReported', failure(ENGINE)).subarray(0, -1));
    client.publish(subject, encode('VdiskMounted', mounted('v1')));
    await client.flush();
    const good = encode('EngineFailureReported', failure(ENGINE));
    await publishRaw(fixture.server.port, subject, 'NATS/1.0\r\nbad name: x\r\n\r\n', good);
    await publishRaw(fixture.server.port, subject, 'NATS/1.0\r\n\xff\xfe: x\r\n\r\n', good);
    const seen: string[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      concurrency: 1,
      handler: async (event) => {
        seen.push(event.payload.address);
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    await eventually('all are settled', async () => seen.length === 1 && (await settled()));
    const letters = await deadLetters();
    assert.deepEqual(
      letters.map(({ header }) => header.get('Salvor-Dlq-Code')),
      [
        'undecodable',
        'undecodable',
        'undecodable',
        'undecodable',
        'wrong-record',
        'headers-malformed',
        'headers-malformed',
      ],
    );
    assert.equal(Buffer.from(letters[1]?.data ?? []).toString(), 'hello');
  });

  it('reads an event without any headers, and takes its place in the stream for its id', async () => {
    const ids: string[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async (event) => {
        ids.push(event.id);
      },
    });
    client.publish(
      'salvor.evt.v1.engine.failure-reported.x',
      encode('EngineFailureReported', failure(ENGINE)),
    );
    await eventually('it is handled', () => ids.length === 1);
    assert.deepEqual(ids, ['SALVOR_EVT:1']);
  });

  it('hands an event that is stored twice under one id to the handler once', async () => {
    let handled = 0;
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      concurrency: 1,
      handler: async () => {
        handled += 1;
      },
    });
    // As after an outage longer than the stream's duplicate window.
    const twice = headers();
    twice.set('CE-ID', 'twice');
    for (let i = 0; i < 2; i += 1) {
      const data = encode('EngineFailureReported', failure(ENGINE));
      client.publish('salvor.evt.v1.engine.failure-reported.x', data, { headers: twice });
    }
    await eventually('both are settled', async () => (await info()).ack_floor.stream_seq === 2);
    assert.equal(handled, 1);
  });

  it('tells the server that a slow handler is at work, so that the event is not delivered again', async () => {
    let calls = 0;
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async () => {
        calls += 1;
        await held;
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    const startedAt = Date.now();
    await eventually('longer than ack_wait has passed', () => Date.now() - startedAt > 6_000);
    assert.equal((await info()).num_redelivered, 0);
    release();
    await eventually('it is settled', settled);
    assert.equal(calls, 1);
  });

  it('fails a handler that does not end, and aborts its signal', async () => {
    const aborted: boolean[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      maxDeliver: 1,
      handlerTimeoutMs: 50,
      handler: (_event, { signal }) =>
        new Promise(() => signal.addEventListener('abort', () => aborted.push(true))),
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    await aDeadLetter();
    assert.deepEqual(aborted, [true]);
  });

  it('waits for handlers at work when it stops, and gives back what they did not finish', async () => {
    const events: string[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async (event) => {
        events.push(`start ${event.payload.address}`);
        if (event.payload.address === ENGINE) await held;
        else await new Promise(() => {});
        events.push('end');
      },
    });
    await bus.publishEvent('engine.failure-reported', failure(ENGINE));
    await bus.publishEvent('engine.failure-reported', failure('10.100.0.2:22005'));
    await eventually('both are at work', () => events.length === 2);
    const stopped = consumption.stop(300);
    release();
    await stopped;
    assert.ok(events.includes('end'));
    await eventually('one is left', async () => (await info()).num_ack_pending === 1);
    let again = 0;
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async () => {
        again += 1;
      },
    });
    await eventually('the unfinished one comes again', async () => again === 1 && (await settled()));
  });

  it('refuses a durable that the manifest does not know', () => {
    const options = { durable: 'nobody', types: ['vdisk.mounted' as const], handler: async () => {} };
    assert.throws(() => bus.consume(options), { code: 'unknown-consumer' });
  });

  it('reads a newer version of a record by the schema its writer published', async () => {
    const newer = JSON.stringify({
      name: 'salvor.v1.EngineFailureReported',
      type: 'record',
      fields: [
        { name: 'address', type: 'string' },
        { name: 'reporter', type: 'string' },
        { name: 'reason', type: 'string' },
        { name: 'source', type: 'string' },
        { name: 'detectedAt', type: 'long' },
        { name: 'at', type: 'long' },
        { name: 'invention', type: 'string' },
      ],
    });
    const { bytes, fingerprint } = newerMessage(newer);
    const kv = await client.jetstream().views.kv('salvor_schemas');
    await kv.create(fingerprint, newer);
    const reporters: string[] = [];
    consumption = bus.consume({
      durable: 'health-analyzer',
      types: ['engine.failure-reported'],
      handler: async (event) => {
        reporters.push(event.payload.reporter);
      },
    });
    client.publish('salvor.evt.v1.engine.failure-reported.x', bytes);
    await eventually('it is handled', () => reporters.length === 1);
    assert.deepEqual(reporters, ['nbd-9']);
  });
});

/** What a writer with one more field would send, made by hand: strings and longs are all it needs. */
function newerMessage(canonicalJson: string) {
  const fingerprint = crc64Avro(Buffer.from(canonicalJson));
  const text = (value: string) => Buffer.concat([Buffer.from([value.length * 2]), Buffer.from(value)]);
  const bytes = Buffer.concat([
    Buffer.from([0xc3, 0x01]),
    Buffer.from(fingerprint, 'hex'),
    ...['10.0.0.1:1', 'nbd-9', 'gone', 'test'].map(text),
    Buffer.from([2, 2]),
    text('warp'),
  ]);
  return { bytes, fingerprint };
}

/** CRC-64-AVRO (Avro specification, "Schema Fingerprints"), 16 hex digits in wire order. */
function crc64Avro(bytes: Uint8Array): string {
  const empty = 0xc15d213aa4d7a795n;
  let fingerprint = empty;
  for (const byte of bytes) {
    let low = (fingerprint ^ BigInt(byte)) & 0xffn;
    for (let bit = 0; bit < 8; bit += 1) low = (low & 1n) === 1n ? (low >> 1n) ^ empty : low >> 1n;
    fingerprint = (fingerprint >> 8n) ^ low;
  }
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(fingerprint);
  return out.toString('hex');
}

describe('consuming over outages', () => {
  it('waits for the server at the first start, and for the stream, saying so in the log', async (t) => {
    const server = await NatsProcess.create();
    t.after(() => server.remove());
    const log = keepingLogger();
    const connecting = connectBus({ servers: [server.address], name: 'early', log });
    await eventually('it says that it waits', () => log.lines.some(({ msg }) => msg === 'waiting for nats'));
    await server.start();
    const bus = await connecting;
    t.after(() => bus.close({ deadlineMs: 1_000 }));
    const seen: string[] = [];
    bus.consume({
      durable: 'repair-coordinator',
      types: ['vdisk.mounted'],
      handler: async (event) => {
        seen.push(event.payload.vdisk);
      },
    });
    await eventually('it says that the consumer is missing', () =>
      log.lines.some(({ msg }) => msg === 'consumer is not ready, asking again'),
    );
    await bus.applyManifest();
    await bus.publishEvent('vdisk.mounted', mounted('v1'));
    await eventually('the event arrives', () => seen.length === 1);
  });

  it('handles every event once over three kills of the server', async (t) => {
    const fixture = await BusFixture.create();
    t.after(() => fixture.close());
    const publisher = await fixture.bus({ name: 'publisher' });
    const consumer = await fixture.bus({ name: 'consumer' });
    const seen: string[] = [];
    consumer.consume({
      durable: 'repair-coordinator',
      types: ['vdisk.mounted'],
      handler: async (event) => {
        seen.push(event.payload.vdisk);
      },
    });
    const published: Promise<unknown>[] = [];
    for (let kill = 0; kill < 3; kill += 1) {
      for (let n = 0; n < 30; n += 1) {
        published.push(publisher.publishEvent('vdisk.mounted', mounted(`k${kill}-${n}`)));
      }
      const reached = kill * 30 + 5;
      await eventually('some are handled', () => seen.length >= reached);
      await fixture.server.kill();
      await eventually('both notice', () => !publisher.connected() && !consumer.connected());
      published.push(publisher.publishEvent('vdisk.mounted', mounted(`outage${kill}`)));
      await fixture.server.start();
    }
    await Promise.all(published);
    await eventually('all are handled', () => new Set(seen).size === 93);
    // What the killed server forgot of our acknowledgements comes again, and must not reach the handler.
    const jsm = await (await fixture.client()).jetstreamManager();
    await eventually('all are acknowledged', async () => {
      const { num_pending, num_ack_pending } = await jsm.consumers.info('SALVOR_EVT', 'repair-coordinator');
      return num_pending + num_ack_pending === 0;
    });
    assert.equal(seen.length, 93);
  });

  it('goes on soon after a server is back', async (t) => {
    const fixture = await BusFixture.create();
    t.after(() => fixture.close());
    const bus = await fixture.bus();
    const handledAt: number[] = [];
    bus.consume({
      durable: 'repair-coordinator',
      types: ['vdisk.mounted'],
      handler: async () => {
        handledAt.push(performance.now());
      },
    });
    await bus.publishEvent('vdisk.mounted', mounted('before'));
    await eventually('it is handled', () => handledAt.length === 1);
    await fixture.server.kill();
    const published = bus.publishEvent('vdisk.mounted', mounted('during'));
    await fixture.server.start();
    const backAt = performance.now();
    await published;
    await eventually('it is handled', () => handledAt.length === 2);
    const tookMs = (handledAt[1] ?? 0) - backAt;
    assert.ok(tookMs < 3_000, `handled ${tookMs} ms after the server was back`);
    t.diagnostic(`handled ${Math.round(tookMs)} ms after the server accepted connections`);
  });
});

describe('watching events', () => {
  let fixture: BusFixture;
  before(async () => {
    fixture = await BusFixture.create({ manifest: false });
  });
  after(() => fixture.close());

  it('passes live events on in order, and tells of what it could not read or may have missed', async () => {
    const bus = await fixture.bus();
    const client = await fixture.client();
    const seen: string[] = [];
    const gaps: string[] = [];
    const watch = bus.watchEvents({
      types: 'all',
      handler: (event) => {
        seen.push(`${event.type} ${event.subject.split('.').at(-1)}`);
      },
      onGap: (reason) => gaps.push(reason),
    });
    await bus.serve({
      name: 'flush',
      version: '0.0.1',
      description: 'waits for the subscription',
      handlers: {},
    });
    client.publish('salvor.evt.v1.vdisk.mounted.v1', encode('VdiskMounted', mounted('v1')));
    client.publish('salvor.evt.v1.vdisk.mounted.junk', 'junk');
    client.publish('salvor.evt.v1.vdisk.mounted.v2', encode('VdiskMounted', mounted('v2')));
    await eventually('both arrive', () => seen.length === 2);
    assert.deepEqual(seen, ['vdisk.mounted v1', 'vdisk.mounted v2']);
    assert.equal(gaps.length, 1);
    await fixture.server.kill();
    await eventually('the gap is told', () => gaps.includes('disconnected from nats'));
    await fixture.server.start();
    await watch.stop();
  });

  it('passes an event on once, however many announce it under its id', async () => {
    const own = await BusFixture.create();
    try {
      const bus = await own.bus();
      const other = await own.bus();
      const seen: string[] = [];
      const watch = bus.watchEvents({ types: ['vdisk.mounted'], handler: ({ id }) => void seen.push(id) });
      await bus.serve({ name: 'flush', version: '0.0.1', description: 'waits for it', handlers: {} });
      for (const id of ['a', 'b'])
        for (const from of [bus, other]) await from.publishEvent('vdisk.mounted', mounted('v1'), { id });
      await eventually('both arrive', () => seen.length >= 2);
      await bus.publishEvent('vdisk.mounted', mounted('v1'), { id: 'c' });
      await eventually('the last arrives', () => seen.includes('c'));
      assert.deepEqual(seen, ['a', 'b', 'c']);
      await watch.stop();
    } finally {
      await own.close();
    }
  });
});
