import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { contextData, goOption, hex, infoData, option, RawClient, request, until } from './raw-client.ts';
import { MiB, type Served, serve } from './served.ts';

/** Every conversation must end in the stream being closed by the server, once the client closes its end. */
async function converse(endpoint: string, bytes: Uint8Array): Promise<void> {
  const client = await RawClient.connect(endpoint);
  client.send(bytes);
  client.socket.end();
  try {
    await client.rest();
  } finally {
    client.close();
  }
}

const structuredStart = [
  hex('00000003'),
  option(8),
  option(10, contextData('d', 'base:allocation')),
  goOption('d'),
];
const anyBytes = fc.uint8Array({ minLength: 0, maxLength: 3000 });
const clientFlags = fc.constantFrom(hex('00000003'), hex('00000001'), hex('00000000'));
const anyOption = fc
  .tuple(
    fc.oneof(fc.integer({ min: 0, max: 12 }), fc.nat()),
    fc.oneof(
      fc.constantFrom(infoData('d'), infoData('ro', 3, 0, 1, 2), infoData('nobody'), Buffer.alloc(0)),
      fc.array(fc.constantFrom('base:allocation', 'base:', '', 'x:y')).map((q) => contextData('d', ...q)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    ),
  )
  .map(([code, data]) => option(code, data));
const legalRequest = fc
  .record({
    type: fc.constantFrom(0, 1, 3, 4, 5, 6, 7),
    flags: fc.constantFrom(0, 1),
    at: fc.nat(7 * MiB),
    bytes: fc.nat(300),
  })
  .map(({ type, flags, at, bytes }) => {
    if (type === 1) return request({ type, flags, offset: at, payload: Buffer.alloc(bytes, at) });
    return type === 3 ? request({ type }) : request({ type, flags, offset: at, length: bytes });
  });
const illegalRequest = fc
  .record({
    type: fc.integer({ min: 0, max: 8 }),
    flags: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })),
    offset: fc.oneof(fc.nat(9 * MiB), fc.bigInt(0n, 2n ** 64n - 1n)),
    length: fc.oneof(fc.nat(100_000), fc.nat(0xffffffff)),
    payload: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ payload, ...head }) => (head.type === 1 ? request({ ...head, payload }) : request(head)));
const anyRequest = fc.oneof({ weight: 3, arbitrary: legalRequest }, { weight: 1, arbitrary: illegalRequest });
const anyConversation = fc
  .record({
    flags: clientFlags,
    options: fc.array(anyOption, { maxLength: 6 }),
    go: fc.boolean(),
    requests: fc.array(anyRequest, { maxLength: 20 }),
  })
  .map(({ flags, options, go, requests }) =>
    Buffer.concat([flags, ...options, ...(go ? [goOption('d')] : []), ...requests]),
  );
const mutation = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) });

test('random bytes end in a disconnect, and the server goes on', async (t) => {
  const served = await serve(t);
  await fc.assert(
    fc.asyncProperty(anyBytes, (bytes) => converse(served.unix, bytes)),
    { numRuns: 150 },
  );
  await assertUnharmed(served);
});

test('random bytes after the client flags, and after the handshake, end in a disconnect', async (t) => {
  const served = await serve(t);
  const prefix = fc.constantFrom(
    hex('00000003'),
    Buffer.concat([hex('00000003'), Buffer.from('IHAVEOPT')]),
    Buffer.concat([hex('00000003'), goOption('d')]),
    Buffer.concat([hex('00000003'), goOption('d'), hex('25609513')]),
  );
  const run = fc.asyncProperty(prefix, anyBytes, (start, bytes) =>
    converse(served.unix, Buffer.concat([start, bytes])),
  );
  await fc.assert(run, { numRuns: 150 });
  await assertUnharmed(served);
});

test('conversations of legal and illegal messages, with bytes changed and the end cut off, harm nobody', async (t) => {
  const served = await serve(t);
  const run = fc.asyncProperty(
    anyConversation,
    fc.array(mutation, { maxLength: 4 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    async (bytes, mutations, keep) => {
      for (const { at, to } of mutations) bytes[at % bytes.length] = to;
      await converse(served.unix, bytes.subarray(0, Math.ceil(bytes.length * Math.max(keep, 0.3))));
    },
  );
  await fc.assert(run, { numRuns: 300 });
  await assertUnharmed(served);
});

test('requests of a session with structured replies, with bytes changed, harm nobody', async (t) => {
  const served = await serve(t);
  const run = fc.asyncProperty(
    fc.array(anyRequest, { minLength: 1, maxLength: 20 }),
    fc.array(mutation, { maxLength: 3 }),
    async (requests, mutations) => {
      const bytes = Buffer.concat(requests);
      for (const { at, to } of mutations) bytes[at % bytes.length] = to;
      await converse(served.unix, Buffer.concat([...structuredStart, bytes]));
    },
  );
  await fc.assert(run, { numRuns: 200 });
  assertReached(served, ['extents', 'flush', 'read', 'trim', 'write', 'zero']);
  await assertUnharmed(served);
});

test('context options with bytes changed are answered or end the session', async (t) => {
  const served = await serve(t);
  const anyContexts = fc.array(fc.constantFrom('base:allocation', 'base:', '', 'x:y', 'd'), { maxLength: 5 });
  const run = fc.asyncProperty(
    fc.constantFrom(9, 10),
    anyContexts,
    fc.array(mutation, { minLength: 1, maxLength: 3 }),
    async (code, queries, mutations) => {
      const data = contextData('d', ...queries);
      for (const { at, to } of mutations) data[at % data.length] = to;
      const bytes = [hex('00000003'), option(8), option(code, data), goOption('d'), request({ type: 7 })];
      await converse(served.unix, Buffer.concat(bytes));
    },
  );
  await fc.assert(run, { numRuns: 150 });
  await assertUnharmed(served);
});

test('clients that vanish anywhere in a conversation, many at a time, leave nothing behind', async (t) => {
  const served = await serve(t);
  const conversations = fc.sample(anyConversation, { numRuns: 200, seed: 20 });
  for (let i = 0; i < conversations.length; i += 20) {
    const clients = conversations.slice(i, i + 20).map(async (bytes, k) => {
      const client = await RawClient.connect(k % 2 === 0 ? served.unix : served.tcp);
      client.send(bytes);
      await until('the greeting', () => client.receivedBytes >= 18);
      client.close();
    });
    await Promise.all(clients);
  }
  await assertUnharmed(served);
});

test('memory does not grow with abuse', async (t) => {
  const served = await serve(t);
  const started = [hex('00000003'), goOption('d')];
  const abuses = [
    Buffer.concat([...started, request({ type: 1, length: 32 * MiB }), Buffer.alloc(1000)]),
    Buffer.concat([...started, request({ type: 1, length: 0xffffffff })]),
    Buffer.concat([...started, request({ type: 1, length: 8 * MiB }), Buffer.alloc(1 * MiB)]),
    Buffer.concat([...started, ...Array.from({ length: 20 }, () => request({ type: 0, length: 8 * MiB }))]),
    Buffer.concat([
      ...structuredStart,
      ...Array.from({ length: 20 }, () => request({ type: 0, length: 8 * MiB })),
    ]),
    Buffer.concat([
      ...structuredStart,
      ...Array.from({ length: 600 }, () => request({ type: 7, length: 65_536 })),
    ]),
    Buffer.concat([hex('00000003'), option(8), option(10, Buffer.alloc(60_000))]),
    Buffer.concat([hex('00000003'), ...Array.from({ length: 500 }, () => option(3))]),
    Buffer.concat([hex('00000003'), option(99, Buffer.alloc(900_000))]),
    hex('00000003 49484156454f5054 00000007 ffffffff'),
  ];
  const round = async () => {
    for (const bytes of abuses) {
      const accepted = served.server.traffic.acceptedConnections;
      const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(served.unix)));
      for (const client of clients) {
        await client.take(18);
        client.socket.pause();
        client.send(bytes);
      }
      await until('the server to have taken all it wants', () => {
        const isRead = clients.every(({ socket }) => socket.writableLength === 0 || socket.destroyed);
        return isRead && served.server.traffic.acceptedConnections === accepted + 8;
      });
      for (const client of clients) client.close();
      await until('the connections to be gone', () => served.server.connections().length === 0);
    }
  };
  for (let i = 0; i < 2; i++) await round();
  const before = reachableBytes();
  for (let i = 0; i < 6; i++) await round();
  await until('the memory to be as before', () => reachableBytes() - before < 16 * MiB);
  await assertUnharmed(served);
});

/** Fuzz that never gets past the front end proves little. */
function assertReached({ device }: Served, expected: readonly string[]): void {
  const kinds = new Set(device.calls.map((call) => call.split(' ')[0] ?? ''));
  assert.deepEqual(
    expected.filter((kind) => !kinds.has(kind)),
    [],
  );
}

/** After a full collection; the collector frees buffers in the background, so a single look may see too much. */
function reachableBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function assertUnharmed({ server, exports, unix }: Served): Promise<void> {
  await until('all connections to be gone', () => server.connections().length === 0);
  assert.equal(server.bytesInFlight, 0);
  assert.equal(exports.opened, exports.closed);
  const client = await RawClient.onExport(unix, 'd');
  client.send(request({ type: 1, cookie: 5, offset: 77, payload: Buffer.from('alive') }));
  assert.deepEqual(await client.takeReply(), { cookie: 5, error: 0, data: Buffer.alloc(0) });
  client.send(request({ type: 0, cookie: 6, offset: 77, length: 5 }));
  assert.equal((await client.takeReply(5)).data.toString(), 'alive');
  client.close();
}
