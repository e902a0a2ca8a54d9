import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openStore, parseKey } from '@salvor/config-store';
import { encode } from '@salvor/contracts';
import {
  killEngine,
  type ManagedProcess,
  NbdClient,
  RawNats,
  restartWithData,
  SeededRandom,
  testSeed,
  until,
} from '@salvor/testkit';
import { z } from 'zod';
import { HealingStack } from './healing-stack.ts';
import { differences, heldState } from './held-state.ts';
import { type MalformedCommand, malformedCommands } from './malformed-commands.ts';
import { ADDED, addTo, isRecord } from './newer-records.ts';
import { startOtherServices } from './other-services.ts';

const COMMANDS = Number(process.env.SALVOR_FUZZ_COMMANDS ?? 400);
const seed = testSeed();
const random = new SeededRandom(seed);
let healing: HealingStack;
let nats: RawNats;
let client: NbdClient;
let others: readonly ManagedProcess[] = [];
before(async () => {
  healing = await HealingStack.start({ primaries: 2, slaves: 2, spares: 1 });
  others = await startOtherServices(healing);
  nats = await RawNats.connect(healing.stack.natsUrl);
  client = await NbdClient.connect(await healing.createVdisk('v1'));
  await client.write(0, Buffer.alloc(8192, 0x5a));
});
after(async () => {
  await client.disconnect();
  nats.close();
  await Promise.all(others.map((service) => service.stop()));
  await healing[Symbol.asyncDispose]();
});

function garbage(maxBytes: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(maxBytes) }, () => random.below(256)));
}

/** A good message with a few bytes changed, cut or added. */
function mutated(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; i <= random.below(4); i++) copy[random.below(copy.length)] = random.below(256);
  return random.below(3) === 0 ? copy.subarray(0, random.below(copy.length)) : copy;
}

async function deadLetters(): Promise<number> {
  const { body } = await nats.request('$JS.API.STREAM.INFO.SALVOR_DLQ');
  return (JSON.parse(body.toString()) as { state: { messages: number } }).state.messages;
}

/** Every process is the one it was, ready, and the loop still heals. */
async function assertWell(pids: readonly (number | undefined)[]): Promise<void> {
  assert.deepEqual(pidsNow(), pids);
  assert.equal((await client.read(0, 8192)).compare(Buffer.alloc(8192, 0x5a)), 0);
  const engine = healing.stack.engine('primary', random.below(2));
  await killEngine(engine);
  await healing.untilStatus(engine.address, 'offline');
  await restartWithData(engine);
  await healing.untilHealed();
}

function pidsNow(): (number | undefined)[] {
  const services = [...healing.stack.services.values(), ...others].map(({ pid }) => pid);
  return [...services, healing.server.identity()?.pid];
}

test('garbage on event subjects becomes dead letters', async () => {
  const pids = pidsNow();
  const before = await deadLetters();
  const good = encode('EngineFailureReported', {
    address: '127.0.0.1:1',
    reporter: 'x',
    reason: 'y',
    source: 'operator',
    detectedAt: 1,
    at: 1,
  });
  for (let i = 0; i < 150; i++) {
    nats.publish('salvor.evt.v1.engine.failure-reported.x', i % 2 === 0 ? garbage(300) : mutated(good));
    nats.publish('salvor.evt.v1.repair.completed.v1', garbage(64));
  }
  await until(async () => (await deadLetters()) > before + 100, {
    what: 'dead letters arrive',
    timeoutMs: 30_000,
  });
  await assertWell(pids);
});

test('malformed commands are answered with a clear error, and nothing changes', async () => {
  const pids = pidsNow();
  const before = await heldState(healing.stack);
  const [primary, spare] = [healing.stack.engine('primary', 0), healing.stack.engines.spares[0]];
  const present: (readonly [string, string])[] = [
    ['primary-1', 'p1'],
    ['slave-1', 's1'],
    ['10.100.0.1:22005', primary.address],
    ['10.100.0.9:22005', spare?.address ?? ''],
  ];
  const made = malformedCommands(COMMANDS, random, present);
  const complaints: string[] = [];
  const sender = async (): Promise<void> => {
    for (const command of made) {
      const complaint = await complaintAbout(command);
      if (complaint !== null) complaints.push(complaint);
    }
  };
  await Promise.all(Array.from({ length: 8 }, sender));
  assert.deepEqual(complaints.slice(0, 20), [], `of ${COMMANDS}; SALVOR_TEST_SEED=${seed}`);
  assert.deepEqual(differences(before, await heldState(healing.stack)), [], `SALVOR_TEST_SEED=${seed}`);
  await assertWell(pids);
});

/**
 * Null: it was answered with an error as documented. Ids of vdisks that others made may be anything, so who asks after one may learn that there is
 * none, and who wants to be rid of it that it is gone.
 */
async function complaintAbout({
  subject,
  fault,
  body,
  headers,
  definition,
}: MalformedCommand): Promise<string | null> {
  const sent = `${subject}, ${fault}: ${body.toString().slice(0, 300)} ${JSON.stringify(headers).slice(0, 200)}`;
  const reply = await nats.request(subject, body, headers, 20_000).catch((error: Error) => error);
  if (reply instanceof Error) return `${reply.message} to ${sent}`;
  const answer = reply.body.toString();
  const status = Number(reply.headers['Nats-Service-Error-Code']?.[0]);
  const error = parsedError(answer);
  const isAnswered = Number.isNaN(status) && /^an id|^a template/.test(fault);
  if (isAnswered && (!definition.mutating || answer.includes('"outcome":"already"'))) return null;
  const isClear = /\S/.test(reply.headers['Nats-Service-Error']?.[0] ?? '') && status >= 400 && status < 500;
  return isClear && error !== null && error.code !== 'internal'
    ? null
    : `${status} ${answer.slice(0, 300)} to ${sent}`;
}

const errorBody = z.object({
  code: z.string().min(1),
  message: z.string().min(10),
  details: z.array(z.object({ path: z.string(), expected: z.string() })),
});

function parsedError(text: string): z.infer<typeof errorBody> | null {
  try {
    return errorBody.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

test('malformed lines of a server are reported and kept, the good ones among them count', async () => {
  const pids = pidsNow();
  const rejected: string[] = [];
  const watch = healing.bus.watchEvents({
    types: ['log.line-rejected'],
    handler: ({ payload }) => void rejected.push(payload.reason),
  });
  // An answer on the same connection: the subscription is in force.
  await healing.bus.request('cluster.list', {});
  const spool = join(healing.stack.options.dir, 'log-watcher', 'spool', 'nbd-1.stderr');
  const lines = [
    '{"type":"storageengine-failure"}',
    '{"type":"storageengine-failure","data":17}',
    '{"type":"repair-tmp-outage-complete","data":{"address":"nonsense","vdiskid":""}}',
    '{"type":',
    '20::{not json',
    '20:::',
    'a block without an end',
    ':::',
    '\u0000\u0001\u0002',
    `{"type":"storageengine-failure","data":"${'x'.repeat(200_000)}"}`,
    '{"type":"something-else","data":{}}',
  ];
  appendFileSync(spool, `${lines.join('\n')}\n`);
  for (let i = 0; i < 100; i++) appendFileSync(spool, Buffer.concat([garbage(200), Buffer.from('\n')]));
  await until(() => rejected.length >= 5, { what: 'rejected lines are reported', timeoutMs: 15_000 });
  await watch.stop();
  await assertWell(pids);
});

test('a bad value in etcd leaves the configuration in force, and is named', async () => {
  const pids = pidsNow();
  const store = openStore({ endpoints: healing.stack.etcdEndpoints });
  const key = 'p1:cluster:conf:storage';
  const good = await store.get(key);
  assert.ok(good !== null);
  for (const bad of [
    '',
    'servers: 7',
    'servers:\n  - address: nonsense',
    '{"servers":[]}',
    '\t:::',
    'servers: [{address: "127.0.0.1:1", state: sleeping}]',
  ]) {
    await store.transact({ compare: [], puts: [{ key, value: bad }] });
    await client.write(0, Buffer.alloc(8192, 0x5a));
    await assert.rejects(healing.bus.request('cluster.get', { cluster: 'p1' }), (error: unknown) => {
      assert.ok(error instanceof Error);
      return error.message.length > 10;
    });
  }
  await store.transact({ compare: [], puts: [{ key, value: good.value }] });
  store.close();
  await assertWell(pids);
});

test('malformed NBD conversations end without harm to others', async () => {
  const pids = pidsNow();
  const { port } = healing.server;
  for (let i = 0; i < 60; i++) {
    await new Promise<void>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => {
        socket.write(i % 3 === 0 ? Buffer.from([0, 0, 0, 3]) : garbage(64));
        socket.end(garbage(512));
      });
      socket.on('data', () => {});
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
  }
  await assertWell(pids);
});

test('records of a newer version keep what this version does not know when it changes them', async () => {
  const pids = pidsNow();
  const { bus, stack } = healing;
  const store = openStore({ endpoints: stack.etcdEndpoints });
  const engine = stack.engine('primary', 0);
  const by = { cluster: 'p1', reason: 'a test', by: 'test' };
  await bus.request('instance.set', { instance: 'vm-1', vdisks: ['v1'] });
  await bus.request('healing.pause', by);
  await bus.request('healing.resume', by);

  const added = await addTo(store, isRecord);
  await killEngine(engine);
  await healing.untilStatus(engine.address, 'offline');
  const incidents = await addTo(store, ({ key }) => parseKey(key)?.kind === 'incident');
  await restartWithData(engine);
  await healing.untilHealed();
  await bus.request('vdisk.resize', { vdisk: 'v1', sizeGiB: 2 });
  await bus.request('healing.pause', by);
  await bus.request('healing.resume', by);
  await bus.request('instance.set', { instance: 'vm-1', vdisks: ['v1'], zone: 'north' });

  const { entries } = await store.list('');
  store.close();
  const changed = entries.filter(({ key, revision }) => added.has(key) && added.get(key) !== revision);
  const kinds = new Set<string | undefined>(changed.map(({ key }) => parseKey(key)?.kind));
  for (const kind of ['cluster-storage', 'salvor-cluster', 'vdisk-static', 'healing-cluster', 'instance'])
    assert.ok(kinds.has(kind), `expected a ${kind} to be changed, found ${[...kinds].join(', ')}`);
  // Incidents of before are closed already.
  const closed = entries.filter(
    ({ key, value }) => parseKey(key)?.kind === 'closed-incident' && !added.has(key) && value.includes(ADDED),
  );
  assert.deepEqual(
    changed.filter(({ value }) => !value.includes(ADDED)).map(({ key, value }) => `${key} ${value}`),
    [],
  );
  assert.deepEqual([incidents.size, closed.length], [1, 1]);
  await assertWell(pids);
});
