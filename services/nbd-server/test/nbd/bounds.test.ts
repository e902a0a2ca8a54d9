import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nbdLimits } from '../../src/nbd/limits.ts';
import { hex, option, RawClient, request, until } from './raw-client.ts';
import { MiB, serve } from './served.ts';

const [read, write, flush] = [0, 1, 3];

test('requests in flight of one connection are bounded; the rest are served later', async (t) => {
  const { unix, device, server } = await serve(t, { limits: { maxRequestsPerConnection: 4 } });
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(
    ...Array.from({ length: 50 }, (_, cookie) =>
      request({ type: write, cookie, payload: Buffer.alloc(512) }),
    ),
  );
  await until('the bound to be reached', () => device.held === 4);
  assert.equal(server.connections()[0]?.requestsInFlight, 4);
  device.release();
  for (let i = 0; i < 50; i++) assert.equal((await client.takeReply()).error, 0);
});

test('bytes in flight of one connection are bounded, and its other requests wait their turn', async (t) => {
  const { unix, device, server } = await serve(t, { limits: { maxBytesPerConnection: 32 * MiB } });
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(...Array.from({ length: 12 }, (_, cookie) => request({ type: read, cookie, length: 4 * MiB })));
  await until('the bound to be reached', () => device.held === 8);
  assert.equal(server.bytesInFlight, 32 * MiB);
  device.release();
  for (let i = 0; i < 12; i++) assert.equal((await client.takeReply(4 * MiB)).error, 0);
  await until('everything to be given back', () => server.bytesInFlight === 0);
});

test('a client that does not read its replies holds no more than its share, and others are served', async (t) => {
  const { unix, device, server } = await serve(t);
  const [greedy, polite] = [await RawClient.onExport(unix, 'd'), await RawClient.onExport(unix, 'd')];
  greedy.socket.pause();
  greedy.send(...Array.from({ length: 200 }, () => request({ type: read, length: 8 * MiB })));
  await until('the share to be used up', () => server.bytesInFlight === 64 * MiB);
  polite.send(request({ type: read, length: 4096 }));
  assert.equal((await polite.takeReply(4096)).error, 0);
  assert.ok(device.calls.length < 20);
  greedy.close();
  await until('its memory to be given back', () => server.bytesInFlight === 0);
});

test('while others wait for memory, clients that stall are cut', async (t) => {
  const limits = { maxBytesInFlight: 64 * MiB, stallTimeoutMs: 100 };
  const { unix, server, logged } = await serve(t, { limits });
  const unread = await RawClient.onExport(unix, 'd');
  unread.socket.pause();
  unread.send(...Array.from({ length: 7 }, () => request({ type: read, length: 8 * MiB })));
  await until('the first to hold most', () => server.bytesInFlight === 56 * MiB);
  const halfSent = await RawClient.onExport(unix, 'd');
  halfSent.send(request({ type: write, offset: 0, payload: Buffer.alloc(8 * MiB) }).subarray(0, 1 * MiB));
  await until('the second to hold a payload', () => server.bytesInFlight === 64 * MiB);
  const polite = await RawClient.onExport(unix, 'd');
  polite.send(...Array.from({ length: 8 }, () => request({ type: read, length: 8 * MiB })));
  for (let i = 0; i < 8; i++) assert.equal((await polite.takeReply(8 * MiB)).error, 0);
  assert.ok(logged.some(({ fields }) => /stalled for \d+ ms/.test(String(fields.reason))));
});

test('a device that hangs with all the memory in flight does not stop the clients of another', async (t) => {
  const { unix, device, server } = await serve(t, { limits: { maxBytesInFlight: 32 * MiB } });
  device.hold();
  const hanging = await RawClient.onExport(unix, 'd');
  hanging.send(...Array.from({ length: 8 }, () => request({ type: read, length: 8 * MiB })));
  await until('the memory to be used up', () => server.bytesInFlight === 32 * MiB);
  const other = await RawClient.onExport(unix, 'ro');
  other.send(...Array.from({ length: 100 }, () => request({ type: read, length: 64 * 1024 })));
  for (let i = 0; i < 100; i++) assert.equal((await other.takeReply(64 * 1024)).error, 0);
  device.release();
  for (let i = 0; i < 8; i++) assert.equal((await hanging.takeReply(8 * MiB)).error, 0);
  await until('everything to be given back', () => server.bytesInFlight === 0);
});

test('a handshake that takes too long is cut; a silent client in transmission is not', async (t) => {
  const { tcp, server } = await serve(t, { limits: { handshakeTimeoutMs: 150 } });
  const ready = await RawClient.onExport(tcp, 'd');
  const silent = await RawClient.connect(tcp);
  const chatty = await RawClient.connect(tcp);
  chatty.send(hex('00000003'));
  const chat = setInterval(() => chatty.send(option(3)), 10);
  t.after(() => clearInterval(chat));
  assert.equal((await silent.rest()).length, 18);
  await chatty.rest();
  clearInterval(chat);
  ready.send(request({ type: flush }));
  assert.equal((await ready.takeReply()).error, 0);
  await until('only one connection', () => server.connections().length === 1);
});

test('a client that never reads the answers of its handshake stops being asked and is cut', async (t) => {
  const { unix, exports, server } = await serve(t, { limits: { handshakeTimeoutMs: 300 } });
  exports.list = async () => Array.from({ length: 10_000 }, (_, i) => `vdisk-${i}`);
  const client = await RawClient.connect(unix);
  client.socket.pause();
  client.send(hex('00000003'), ...Array.from({ length: 3000 }, () => option(3)));
  await until('the connection to be gone', () => server.connections().length === 0);
  assert.ok(process.memoryUsage().rss < 1024 * MiB);
});

test('connections and handshakes beyond their bounds are refused at once', async (t) => {
  const { unix, server, logged } = await serve(t, { limits: { maxConnections: 5, maxHandshakes: 2 } });
  const shy = [await RawClient.connect(unix), await RawClient.connect(unix)];
  await Promise.all(shy.map((client) => client.take(18)));
  const third = await RawClient.connect(unix);
  assert.equal((await third.rest()).length, 0);
  for (const client of shy) client.close();
  await until('the handshakes to be over', () => server.connections().length === 0);
  const ready = [];
  for (let i = 0; i < 5; i++) ready.push(await RawClient.onExport(unix, 'd'));
  const sixth = await RawClient.connect(unix);
  assert.equal((await sixth.rest()).length, 0);
  ready[0]?.send(request({ type: flush }));
  assert.equal((await ready[0]?.takeReply())?.error, 0);
  assert.equal(server.traffic.refusedConnections, 2);
  assert.equal(logged.filter(({ msg }) => msg === 'nbd connections refused').length, 1);
});

test('a request that the bounds could never admit is a mistake of configuration', () => {
  assert.throws(() => nbdLimits({ maxBytesPerConnection: 1 * MiB }), /at least 33554432/);
  assert.throws(() => nbdLimits({ maxConnections: 0 }), /positive integer/);
});
