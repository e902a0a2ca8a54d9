import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, type CommandContext, CommandError, type RunningService } from '@salvor/bus';
import { commands, decodeAs, encode } from '@salvor/contracts';
import { currentTraceparent, parseTraceparent, SalvorError } from '@salvor/service-kit';
import fc from 'fast-check';
import { headers, Match, type Msg, type NatsConnection } from 'nats';
import { BusFixture } from './bus-fixture.ts';
import { eventually } from './nats-process.ts';
import { publishRaw } from './raw-publish.ts';

const DELETE = commands['vdisk.delete'].subject;
const STATUS = commands['nbdserver.status'].subject;
const PROBE = commands['engine.probe'].subject;

describe('a service', () => {
  let fixture: BusFixture;
  let bus: Bus;
  let asker: Bus;
  let operator: NatsConnection;
  let service: RunningService;
  const calls: { request: unknown; context: CommandContext }[] = [];

  before(async () => {
    fixture = await BusFixture.create();
    bus = await fixture.bus({ name: 'nbd-server' });
    asker = await fixture.bus({ name: 'asker' });
    operator = await fixture.client();
    service = await bus.serve({
      name: 'nbd-server',
      version: '0.1.0',
      description: 'Serves vdisks',
      metadata: { server: 'nbd-1' },
      instance: 'nbd-1',
      handlerTimeoutMs: 500,
      handlers: {
        'vdisk.delete': async (request, context) => {
          calls.push({ request, context });
          if (request.vdisk === 'typed')
            throw new SalvorError('vdisk-not-found', 'no vdisk "typed"\r\n at all: größe');
          if (request.vdisk === 'numbered') throw new CommandError('in-use', 'mounted', { status: 423 });
          if (request.vdisk === 'asks') {
            await new Promise((resolve) => setImmediate(resolve));
            await asker.request('vdisk.delete', { vdisk: 'asked' });
          }
          if (request.vdisk === 'stuck') await new Promise(() => {});
          if (request.vdisk === 'broken') throw new TypeError('x is not a function');
          if (request.vdisk === 'huge') throw new SalvorError('huge', 'x'.repeat(100_000));
          const reason = request.vdisk === 'long' ? 'x'.repeat(2_000_000) : 'deleted';
          if (request.vdisk === 'wrong-reply') return { outcome: 'perhaps' } as never;
          return {
            vdisk: request.vdisk,
            operation: context.operationId,
            outcome: 'applied',
            reason,
          };
        },
        'nbdserver.status': async () => ({ server: 'nbd-1', uri: 'nbd://127.0.0.1:10809', vdisks: [] }),
        'engine.probe': () => {
          throw new Error('thrown before the first await');
        },
      },
    });
  });
  after(() => fixture.close());

  const request = (
    subject: string,
    body: string | Uint8Array,
    with_: Record<string, string> = {},
  ): Promise<Msg> => {
    const sent = headers();
    for (const [name, value] of Object.entries(with_)) sent.set(name, value);
    return operator.request(subject, body, { timeout: 2_000, headers: sent });
  };
  const header = (message: Msg, name: string) => message.headers?.get(name, Match.IgnoreCase) ?? '';

  it('answers the plain JSON that the nats CLI sends with plain JSON', async () => {
    const reply = await operator.request(DELETE, '{"vdisk":"v1"}', { timeout: 2_000 });
    const answer = reply.json<{ vdisk: string; outcome: string; operation: string }>();
    assert.equal(answer.vdisk, 'v1');
    assert.equal(answer.outcome, 'applied');
    assert.match(answer.operation, /^[0-9a-f-]{36}$/);
    assert.equal(header(reply, 'Content-Type'), 'application/json');
    assert.equal(header(reply, 'Salvor-Operation-Id'), answer.operation);
  });

  it('answers Avro with Avro on the same subject, and JSON to those who accept only that', async () => {
    const avro = encode('VdiskDeleteRequest', { vdisk: 'v2' });
    const reply = await request(DELETE, avro);
    assert.equal(decodeAs('VdiskDeleteReply', reply.data).vdisk, 'v2');
    assert.equal(header(reply, 'Content-Type'), 'application/vnd.apache.avro+binary');
    const json = await request(DELETE, avro, { accept: 'application/json' });
    assert.equal(json.json<{ vdisk: string }>().vdisk, 'v2');
  });

  it('takes an empty body for the empty request', async () => {
    const reply = await operator.request(STATUS, '', { timeout: 2_000 });
    assert.equal(reply.json<{ server: string }>().server, 'nbd-1');
  });

  it('takes the operation id from the request, else from the header in any case, else makes one', async () => {
    const operation = async (body: string, with_ = {}) => {
      const reply = await request(DELETE, body, with_);
      return reply.json<{ operation: string }>().operation;
    };
    assert.equal(await operation('{"vdisk":"v","operationId":"op-1"}', { 'Nats-Msg-Id': 'op-2' }), 'op-1');
    assert.equal(await operation('{"vdisk":"v"}', { 'nats-msg-id': 'op-2' }), 'op-2');
    assert.equal(await operation('{"vdisk":"v"}', { 'NATS-MSG-ID': 'op-3' }), 'op-3');
    const refused = await request(DELETE, '{"vdisk":"v"}', { 'Nats-Msg-Id': 'not an id' });
    assert.equal(header(refused, 'Nats-Service-Error-Code'), '400');
    assert.equal(refused.json<{ code: string }>().code, 'invalid-operation-id');
  });

  it('hands the subject and a child of the trace to the handler', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await request(`${DELETE}.nbd-1`, '{"vdisk":"traced"}', { traceparent });
    const context = calls.at(-1)?.context;
    assert.equal(context?.subject, `${DELETE}.nbd-1`);
    assert.equal(context?.command, 'vdisk.delete');
    assert.match(context?.traceparent ?? '', /^00-0af7651916cd43dd8448eb211c80319c-/);
    assert.notEqual(context?.traceparent, traceparent);
  });

  it('asks others within the trace of the request, also after it waited', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const trace = async (with_: Record<string, string>) => {
      await request(DELETE, '{"vdisk":"asks"}', with_);
      return parseTraceparent(calls.at(-1)?.context.traceparent)?.traceId;
    };
    assert.equal(await trace({ traceparent }), '0af7651916cd43dd8448eb211c80319c');
    assert.deepEqual(
      calls.slice(-2).map(({ request: asked }) => (asked as { vdisk: string }).vdisk),
      ['asks', 'asked'],
    );
    const other = await trace({});
    assert.ok(other !== undefined && other !== '0af7651916cd43dd8448eb211c80319c');
    assert.equal(currentTraceparent(), undefined);
  });

  it('names every wrong field of a request, in the body and with a numeric code', async () => {
    const reply = await request(DELETE, '{"vdisk":7,"colour":"red"}');
    const body = reply.json<{
      code: string;
      message: string;
      details: { path: string; expected: string }[];
    }>();
    assert.equal(header(reply, 'Nats-Service-Error-Code'), '400');
    assert.equal(body.code, 'invalid-json');
    assert.deepEqual(body.details.map(({ path }) => path).sort(), ['colour', 'vdisk']);
    assert.ok(header(reply, 'Nats-Service-Error').length > 0);
  });

  it('tells what a handler threw', async () => {
    const told = async (vdisk: string) => {
      const reply = await request(DELETE, JSON.stringify({ vdisk }));
      return [header(reply, 'Nats-Service-Error-Code'), reply.json<{ code: string }>().code];
    };
    assert.deepEqual(await told('typed'), ['404', 'vdisk-not-found']);
    assert.deepEqual(await told('numbered'), ['423', 'in-use']);
    assert.deepEqual(await told('broken'), ['500', 'internal']);
    assert.deepEqual(await told('wrong-reply'), ['500', 'internal']);
    assert.deepEqual(await told('huge'), ['422', 'huge']);
    assert.deepEqual(await told('long'), ['500', 'reply-too-large']);
    assert.deepEqual(await told('stuck'), ['504', 'handler-timeout']);
    const longField = await request(DELETE, JSON.stringify({ vdisk: 'v', ['x'.repeat(900_000)]: 1 }));
    assert.equal(header(longField, 'Nats-Service-Error-Code'), '400');
    const thrown = await operator.request(PROBE, '{"address":"10.0.0.1:1"}', { timeout: 2_000 });
    assert.equal(header(thrown, 'Nats-Service-Error'), 'thrown before the first await');
  });

  it('refuses headers that cannot be read, rather than losing an operation id in them', async () => {
    const seen: string[] = [];
    operator.subscribe('reply.here', { callback: (_error, message) => seen.push(message.string()) });
    await operator.flush();
    const body = Buffer.from('{"vdisk":"v"}');
    await publishRaw(fixture.server.port, DELETE, 'NATS/1.0\r\nNats Msg Id: op\r\n\r\n', body, 'reply.here');
    await eventually('the refusal arrives', () => seen.length === 1);
    assert.equal((JSON.parse(seen[0] ?? '') as { code: string }).code, 'malformed-headers');
  });

  it('answers whatever bytes arrive, and still works', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((rest) => Uint8Array.from([0xc3, 0x01, ...rest])),
      fc.json().map((json) => Buffer.from(json)),
      fc.string().map((text) => Buffer.from(`{${text}`)),
    );
    const contentType = fc.constantFrom(undefined, 'application/json', 'avro/binary', 'text/plain');
    await fc.assert(
      fc.asyncProperty(bytes, contentType, async (body, type) => {
        const reply = await request(DELETE, body, type === undefined ? {} : { 'content-type': type });
        const failed = header(reply, 'Nats-Service-Error-Code');
        if (failed !== '') {
          assert.match(failed, /^4\d\d$/);
          const answer = reply.json<{ code: string; message: string; details: unknown }>();
          assert.equal(typeof answer.code, 'string');
          assert.ok(Array.isArray(answer.details));
        }
      }),
      { numRuns: 300 },
    );
    assert.equal((await request(DELETE, '{"vdisk":"v"}')).json<{ outcome: string }>().outcome, 'applied');
  });

  it('is asked through the bus, with typed errors', async () => {
    const deleted = await asker.request('vdisk.delete', { vdisk: 'v' }, { operationId: 'op-9' });
    assert.deepEqual(deleted, { vdisk: 'v', operation: 'op-9', outcome: 'applied', reason: 'deleted' });
    await assert.rejects(asker.request('vdisk.delete', { vdisk: 'typed' }), (error) => {
      assert.ok(error instanceof CommandError);
      assert.deepEqual([error.code, error.status], ['vdisk-not-found', 404]);
      assert.match(error.message, /größe/);
      return true;
    });
    await assert.rejects(asker.request('vdisk.list', {}), { code: 'no-responders' });
    await assert.rejects(asker.request('vdisk.delete', { vdisk: 'stuck' }, { timeoutMs: 50 }), {
      code: 'request-timeout',
    });
    const one = await asker.request('nbdserver.status', {}, { instance: 'nbd-1' });
    assert.equal(one.server, 'nbd-1');
    await assert.rejects(asker.request('nbdserver.status', {}, { instance: 'nbd-2' }), {
      code: 'no-responders',
    });
  });

  it('answers PING, INFO and STATS in the shapes that Go clients decode', async () => {
    const ask = async (subject: string) => {
      const reply = await operator.request(subject, '', { timeout: 2_000 });
      return reply.json<Record<string, unknown>>();
    };
    const identity = { name: 'nbd-server', id: service.id, version: '0.1.0', metadata: { server: 'nbd-1' } };
    for (const suffix of ['', '.nbd-server', `.nbd-server.${service.id}`]) {
      assert.deepEqual(await ask(`$SRV.PING${suffix}`), {
        type: 'io.nats.micro.v1.ping_response',
        ...identity,
      });
      const info = await ask(`$SRV.INFO${suffix}`);
      assert.equal(info.type, 'io.nats.micro.v1.info_response');
      assert.equal(info.description, 'Serves vdisks');
      const stats = await ask(`$SRV.STATS${suffix}`);
      assert.equal(stats.type, 'io.nats.micro.v1.stats_response');
    }
    const { endpoints } = service.info();
    assert.ok(endpoints.length === 6);
    for (const endpoint of endpoints) {
      assert.match(endpoint.name, /^[A-Za-z0-9_-]+$/);
      assert.equal(endpoint.queue_group, 'q');
      assert.match(endpoint.metadata.request_fingerprint ?? '', /^[0-9a-f]{16}$/);
      for (const value of Object.values(endpoint.metadata)) assert.equal(typeof value, 'string');
    }
    const stats = await ask('$SRV.STATS');
    assert.match(String(stats.started), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const counted = stats.endpoints as Record<string, unknown>[];
    for (const endpoint of counted) {
      const { num_requests, num_errors, processing_time, average_processing_time, last_error } = endpoint;
      for (const count of [num_requests, num_errors, processing_time, average_processing_time]) {
        assert.ok(Number.isSafeInteger(count), `${String(count)} is no integer`);
      }
      assert.equal(typeof last_error, 'string');
    }
    const used = counted.find(({ name }) => name === 'vdisk-delete');
    assert.ok(Number(used?.num_errors) >= 5);
    assert.ok(Number(used?.processing_time) >= 500e6, 'the time of the stuck handler is counted');
    assert.equal(
      used?.average_processing_time,
      Math.floor(Number(used?.processing_time) / Number(used?.num_requests)),
    );
  });

  it('is found by those who ask who is there', async () => {
    const found = await asker.discover({ name: 'nbd-server', windowMs: 100 });
    assert.deepEqual(
      found.map(({ id }) => id),
      [service.id],
    );
    assert.deepEqual(found[0]?.clockAheadMs, 0, 'on one machine there is one clock');
    assert.deepEqual(await asker.discover({ name: 'nobody', windowMs: 50 }), []);
  });

  it('tells its clock, and who does not is taken as it is', async () => {
    const answers = ['99', String(Date.now() + 60_000), 'noon', undefined];
    for (const clock of answers) {
      const client = await fixture.client();
      client.subscribe('$SRV.INFO.clocks', {
        callback: (_, message) => {
          const told = headers();
          if (clock !== undefined) told.set('Salvor-Clock', clock);
          const info = { name: 'clocks', id: clock ?? 'none', version: '1.0.0', endpoints: [] };
          message.respond(JSON.stringify(info), { headers: told });
        },
      });
      await client.flush();
    }
    const found = await asker.discover({ name: 'clocks', windowMs: 200 });
    const aheadOf = (id: string | undefined) => found.find((one) => one.id === (id ?? 'none'))?.clockAheadMs;
    const [slow = 0, fast = 0, wrong, none] = answers.map(aheadOf);
    assert.ok(slow !== null && slow < -1e9, `${slow}`);
    assert.ok(fast !== null && fast > 50_000 && fast <= 60_000, `${fast}`);
    assert.deepEqual([wrong, none], [null, null]);
  });
});

describe('a service that stops', () => {
  let fixture: BusFixture;
  before(async () => {
    fixture = await BusFixture.create({ manifest: false });
  });
  after(() => fixture.close());

  const listing = (handler: () => Promise<void>) => ({
    name: 'lister',
    version: '0.1.0',
    description: 'Lists',
    handlers: {
      'vdisk.list': async () => {
        await handler();
        return { vdisks: [] };
      },
    },
  });

  it('answers what is at work and takes nothing new', async () => {
    const bus = await fixture.bus();
    const asker = await fixture.bus();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const service = await bus.serve(listing(() => held));
    const answer = asker.request('vdisk.list', {});
    await eventually('it is at work', () => service.inFlight() === 1);
    const closed = bus.close({ deadlineMs: 5_000 });
    await eventually('it takes nothing new', async () => {
      const failed = await asker
        .request('vdisk.list', {}, { timeoutMs: 100 })
        .catch((error: unknown) => error);
      return (failed as { code?: string }).code === 'no-responders';
    });
    release();
    await closed;
    assert.deepEqual(await answer, { vdisks: [] });
  });

  it('does not wait for a handler longer than its deadline, and tells the caller', async () => {
    const bus = await fixture.bus();
    const asker = await fixture.bus();
    const service = await bus.serve(listing(() => new Promise(() => {})));
    const told = assert.rejects(asker.request('vdisk.list', {}), { code: 'service-closing', status: 503 });
    await eventually('it is at work', () => service.inFlight() === 1);
    assert.equal(await service.stop(100), false);
    await told;
  });

  it('refuses more requests at once than its bound', async () => {
    const bus = await fixture.bus();
    const asker = await fixture.bus();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const service = await bus.serve({ ...listing(() => held), maxInFlight: 2 });
    const served = [1, 2].map(() => asker.request('vdisk.list', {}));
    await eventually('two are at work', () => service.inFlight() === 2);
    await assert.rejects(asker.request('vdisk.list', {}), { code: 'overloaded', status: 503 });
    release();
    await Promise.all(served);
  });

  it('has requests sent again over a killed server, under one operation id', async (t) => {
    const own = await BusFixture.create({ manifest: false });
    t.after(() => own.close());
    const bus = await own.bus();
    const asker = await own.bus();
    const operations: string[] = [];
    await bus.serve({
      ...listing(async () => {}),
      handlers: {
        'vdisk.list': async (_request, { operationId }) => {
          operations.push(operationId);
          // The first answer is lost with the server.
          if (operations.length === 1) await own.server.kill();
          return { vdisks: [] };
        },
      },
    });
    const answer = asker.request('vdisk.list', {}, { timeoutMs: 10_000 });
    await eventually('both notice', () => !bus.connected() && !asker.connected());
    await own.server.start();
    assert.deepEqual(await answer, { vdisks: [] });
    assert.equal(operations.length, 2);
    assert.equal(operations[0], operations[1]);
  });

  it('refuses a name or version that nats micro cannot show', async () => {
    const bus = await fixture.bus();
    await assert.rejects(bus.serve({ ...listing(async () => {}), name: 'two words' }), {
      code: 'invalid-service',
    });
    await assert.rejects(bus.serve({ ...listing(async () => {}), version: '1' }), {
      code: 'invalid-service',
    });
  });
});
