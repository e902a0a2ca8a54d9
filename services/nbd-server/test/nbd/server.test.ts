import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goOption, hex, infoData, option, RawClient, request, until } from './raw-client.ts';
import { MiB, serve } from './served.ts';

const [read, write, disconnect, flush, trim, zeroes] = [0, 1, 2, 3, 4, 6];

test('a client reads back what it wrote, on every endpoint', async (t) => {
  const { unix, tcp } = await serve(t);
  for (const endpoint of [unix, tcp]) {
    const client = await RawClient.onExport(endpoint, 'd');
    const payload = Buffer.from(`over ${endpoint}`);
    client.send(request({ type: write, cookie: 7, offset: 100, payload }));
    assert.deepEqual(await client.takeReply(), { cookie: 7, error: 0, data: Buffer.alloc(0) });
    client.send(request({ type: read, cookie: 8, offset: 100, length: payload.length }));
    assert.deepEqual(await client.takeReply(payload.length), { cookie: 8, error: 0, data: payload });
    client.close();
  }
});

test('payloads of every size arrive whole, and large ones are given back to the device once', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  const sizes = [1, 511, 4096, 16 * 1024, 16 * 1024 + 1, 65_536, 1 * MiB, 5 * MiB + 3];
  for (const size of sizes) {
    const payload = Buffer.alloc(size, size);
    client.send(request({ type: write, payload }), request({ type: read, cookie: 2, length: size }));
    const replies = [await client.takeReply(0)];
    assert.equal(replies[0]?.error, 0);
    const { data } = await client.takeReply(size);
    assert.equal(data.compare(device.bytes.subarray(0, size)), 0);
  }
  await until('all buffers to come back', () => device.recycled === sizes.length);
});

test('INFO does not open the export; the session goes on to GO', async (t) => {
  const { unix, exports } = await serve(t);
  const client = await RawClient.connect(unix);
  await client.take(18);
  client.send(hex('00000003'), option(6, infoData('d', 2)), option(6, infoData('nobody')), goOption('d'));
  const types: string[] = [];
  while (types.filter((type) => type === '1').length < 2)
    types.push((await client.takeOptionReply()).type.toString(16));
  assert.deepEqual(types, ['3', '3', '3', '1', '80000006', '3', '3', '1']);
  assert.equal(exports.opened, 1);
});

test('exports that cannot be opened leave the session open, and internals stay inside', async (t) => {
  const { unix, logged } = await serve(t);
  const client = await RawClient.connect(unix);
  await client.take(18);
  client.send(hex('00000003'), goOption('forbidden'), goOption('broken'), option(2));
  assert.equal((await client.takeOptionReply()).type, 0x80000002);
  const broken = await client.takeOptionReply();
  assert.equal(broken.type, 0x80000006);
  assert.doesNotMatch(broken.data.toString(), /secret/);
  assert.equal((await client.takeOptionReply()).type, 1);
  assert.equal((await client.rest()).length, 0);
  assert.ok(
    logged.some(({ level, fields }) => level === 'warn' && /secret internals/.test(String(fields.error))),
  );
});

test('replies come in the order the device settles, and cookies tell them apart', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(...[1, 2, 3].map((cookie) => request({ type: read, cookie, length: 8 })));
  await until('three reads in flight', () => device.held === 3);
  const cookies: number[] = [];
  for (const left of [2, 1, 0]) {
    device.releaseNewest();
    cookies.push((await client.takeReply(8)).cookie);
    assert.equal(device.held, left);
  }
  assert.deepEqual(cookies, [3, 2, 1]);
});

test('FUA flushes after the write, and only for commands that change data', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  client.send(request({ type: write, flags: 1, payload: Buffer.alloc(512) }));
  await client.takeReply();
  client.send(request({ type: zeroes, flags: 3, length: 8192 }));
  await client.takeReply();
  client.send(request({ type: trim, flags: 1, length: 4096 }));
  await client.takeReply();
  client.send(request({ type: read, flags: 1, length: 16 }));
  await client.takeReply(16);
  client.send(request({ type: flush, flags: 1 }));
  await client.takeReply();
  const expected = [
    'write 0 512',
    'flush',
    'zero 0 8192',
    'flush',
    'trim 0 4096',
    'flush',
    'read 0 16',
    'flush',
  ];
  assert.deepEqual(device.calls, expected);
});

test('a refused write brings its payload, and the next request is understood', async (t) => {
  const { unix, exports } = await serve(t);
  const client = await RawClient.onExport(unix, 'ro');
  const payload = request({ type: read, cookie: 99, length: 1 }); // must not be taken for a request
  client.send(request({ type: write, cookie: 1, payload }));
  client.send(request({ type: write, cookie: 2, payload: Buffer.alloc(700_000, 0x25) }));
  client.send(
    request({ type: write, cookie: 3, flags: 0x80, payload }),
    request({ type: read, cookie: 4, length: 4 }),
  );
  const errors = [];
  for (let i = 0; i < 3; i++) errors.push(await client.takeReply());
  assert.deepEqual(
    errors.map(({ cookie, error }) => [cookie, error]),
    [
      [1, 1],
      [2, 1],
      [3, 22],
    ],
  );
  assert.equal((await client.takeReply(4)).cookie, 4);
  assert.deepEqual(exports.devices.get('ro')?.calls, ['read 0 4']);
});

test('requests of no bytes succeed without asking the device', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  client.send(...[read, write, trim, zeroes].map((type) => request({ type, offset: 8 * MiB })));
  for (let i = 0; i < 4; i++) assert.equal((await client.takeReply()).error, 0);
  assert.deepEqual(device.calls, []);
});

test('errors of the device reach the client as numbers it may see, and never with data', async (t) => {
  const { unix, device, server } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  const failures: [unknown, number][] = [
    [Object.assign(new Error('full'), { nbdErrno: 28 }), 28],
    [Object.assign(new Error('stopping'), { nbdErrno: 108 }), 108],
    [Object.assign(new Error('made up'), { nbdErrno: 4242 }), 5],
    [new Error('anything'), 5],
    ['a string', 5],
  ];
  for (const [failure, errorNumber] of failures) {
    device.failure = failure;
    for (const type of [read, trim]) {
      client.send(request({ type, length: 4096 }));
      assert.deepEqual((await client.takeReply(4096)).error, errorNumber);
    }
  }
  assert.equal(server.traffic.failedRequests, 10);
  assert.equal(server.bytesInFlight, 0);
});

test('a device that returns too little, or throws at once, costs an EIO and not the session', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  device.read = async () => Buffer.alloc(3);
  client.send(request({ type: read, length: 4096 }));
  assert.equal((await client.takeReply(4096)).error, 5);
  device.read = () => {
    throw new TypeError('not even a promise');
  };
  client.send(request({ type: read, length: 4096 }), request({ type: flush, cookie: 2 }));
  const replies = [await client.takeReply(), await client.takeReply()];
  assert.deepEqual(replies.map(({ cookie, error }) => `${cookie}: ${error}`).sort(), ['1: 5', '2: 0']);
});

test('DISC finishes what is outstanding, then closes without a reply', async (t) => {
  const { unix, device, exports } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(
    request({ type: write, cookie: 1, payload: Buffer.from('late') }),
    request({ type: disconnect }),
  );
  client.send(request({ type: write, cookie: 2, offset: 50, payload: Buffer.from('never') }));
  await until('the write to be in flight', () => device.held === 1);
  device.release();
  assert.equal((await client.takeReply()).cookie, 1);
  assert.equal((await client.rest()).length, 0);
  assert.equal(device.bytes.toString('latin1', 0, 4), 'late');
  assert.deepEqual(device.calls, ['write 0 4']);
  client.close();
  await until('the export to be closed', () => exports.closed === 1);
});

test('a client that closes its end still gets the replies it is owed', async (t) => {
  const { tcp, device } = await serve(t);
  const client = await RawClient.onExport(tcp, 'd');
  device.hold();
  client.send(
    request({ type: write, payload: Buffer.from('x') }),
    request({ type: read, cookie: 2, length: 1 }),
  );
  client.socket.end();
  await until('both in flight', () => device.held === 2);
  device.release();
  await client.takeReply();
  assert.equal((await client.takeReply(1)).cookie, 2);
  assert.equal((await client.rest()).length, 0);
});

test('a client that vanishes with writes in flight leaves nothing behind', async (t) => {
  const { unix, device, exports, server } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(
    request({ type: write, payload: Buffer.alloc(100_000, 1) }),
    request({ type: read, length: 200_000 }),
  );
  client.send(request({ type: write, payload: Buffer.alloc(100_000, 1) }).subarray(0, 5000));
  await until('the requests to be in flight', () => device.held === 2 && server.bytesInFlight === 400_000);
  client.close();
  await until('the half-sent write to be forgotten', () => server.bytesInFlight === 300_000);
  assert.equal(exports.closed, 0);
  device.release();
  await until('the export to be closed', () => exports.closed === 1);
  await until('the connection to be gone', () => server.connections().length === 0);
  assert.equal(server.bytesInFlight, 0);
});

test('shutdown answers new requests with ESHUTDOWN, finishes the old ones, then closes', async (t) => {
  const { unix, device, exports, server } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  const undecided = await RawClient.connect(unix);
  device.hold();
  client.send(request({ type: write, cookie: 1, payload: Buffer.from('kept') }));
  await until('the write to be in flight', () => device.held === 1);
  const closing = server.close({ deadlineMs: 5000 });
  client.send(
    request({ type: write, cookie: 2, payload: Buffer.from('late') }),
    request({ type: read, cookie: 3, length: 9 }),
  );
  assert.deepEqual(await client.takeReply(), { cookie: 2, error: 108, data: Buffer.alloc(0) });
  assert.equal((await client.takeReply(9)).error, 108);
  device.release();
  assert.deepEqual(await client.takeReply(), { cookie: 1, error: 0, data: Buffer.alloc(0) });
  assert.equal((await client.rest()).length, 0);
  await undecided.rest();
  client.close();
  undecided.close();
  assert.deepEqual(await closing, { cutConnections: 0 });
  assert.equal(exports.closed, 1);
  assert.equal(device.bytes.toString('latin1', 0, 4), 'kept');
  await assert.rejects(RawClient.connect(unix));
});

test('shutdown does not wait longer than its deadline for a device that hangs', async (t) => {
  const { unix, device, server } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  device.hold();
  client.send(request({ type: flush }));
  await until('the flush to hang', () => device.held === 1);
  assert.deepEqual(await server.close({ deadlineMs: 50 }), { cutConnections: 1 });
  await client.rest();
  device.release();
});

test('an export that opens after its client left is closed again', async (t) => {
  const { unix, exports, server } = await serve(t);
  let openNow = (): void => undefined;
  exports.openGate = new Promise((resolve) => {
    openNow = resolve;
  });
  const client = await RawClient.connect(unix);
  client.send(hex('00000003'), goOption('d'));
  await client.take(18);
  await until('the server to have the option', () => server.connections().length === 1);
  client.close();
  openNow();
  await until('the export to be closed', () => exports.opened === exports.closed);
  await until('the connection to be gone', () => server.connections().length === 0);
});

test('an export that takes too long to open is refused, and closed when it opens after all', async (t) => {
  const { unix, exports } = await serve(t, { limits: { exportTimeoutMs: 30 } });
  let openNow = (): void => undefined;
  exports.openGate = new Promise((resolve) => {
    openNow = resolve;
  });
  const client = await RawClient.connect(unix);
  await client.take(18);
  client.send(hex('00000003'), goOption('d'));
  assert.equal((await client.takeOptionReply()).type, 0x80000006);
  openNow();
  await until('the late export to be closed', () => exports.opened === 1 && exports.closed === 1);
  client.send(goOption('d'));
  assert.equal((await client.takeOptionReply()).type, 3);
});

test('status names peers, exports and requests in flight', async (t) => {
  const { unix, tcp, device, server } = await serve(t);
  const [one, two] = [await RawClient.onExport(unix, 'd'), await RawClient.connect(tcp)];
  device.hold();
  one.send(request({ type: flush }));
  await until('two connections', () => server.connections().length === 2 && device.held === 1);
  const [first, second] = server.connections();
  assert.deepEqual(first, { peer: unix, export: 'd', requestsInFlight: 1 });
  assert.equal(second?.export, undefined);
  assert.match(second?.peer ?? '', /^127\.0\.0\.1:\d+$/);
  assert.match(server.uris('d').join(' '), /^nbd\+unix:\/\/\/d\?socket=\/\S+ nbd:\/\/127\.0\.0\.1:\d+\/d$/);
  device.release();
  two.close();
});
