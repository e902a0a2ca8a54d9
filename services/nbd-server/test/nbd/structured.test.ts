import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxStatusBytes } from '../../src/nbd/block-status.ts';
import { hex, RawClient, request, until } from './raw-client.ts';
import { MiB, serve } from './served.ts';

const [read, write, trim, cache, zeroes, blockStatus] = [0, 1, 4, 5, 6, 7];
const [none, data, hole, status, error] = [0, 1, 2, 5, 0x8001];

test('a structured read answers data in one chunk, with and without DF, and a hole without data', async (t) => {
  const { unix, tcp, device } = await serve(t);
  for (const endpoint of [unix, tcp]) {
    const client = await RawClient.onStructuredExport(endpoint, 'd');
    for (const size of [1, 511, 16 * 1024 + 1, 5 * MiB + 3]) {
      const payload = Buffer.alloc(size, 1 + (size % 250));
      client.send(request({ type: write, offset: 4096, payload }));
      assert.equal((await client.takeReply()).error, 0, 'a write is answered simply');
      for (const flags of [0, 4]) {
        client.send(request({ type: read, flags, cookie: 9, offset: 4096, length: size }));
        const chunk = await client.takeChunk();
        assert.deepEqual([chunk.cookie, chunk.flags, chunk.type], [9, 1, data]);
        assert.equal(chunk.payload.readBigUInt64BE(0), 4096n);
        assert.ok(chunk.payload.subarray(8).equals(payload));
      }
    }
    client.send(request({ type: zeroes, length: 8 * MiB }));
    await client.takeReply();
    client.send(request({ type: read, offset: 5, length: 7 * MiB }));
    const chunk = await client.takeChunk();
    assert.deepEqual([chunk.flags, chunk.type], [1, hole]);
    assert.deepEqual(chunk.payload, hex('0000000000000005 00700000'));
    assert.equal(device.stored.size, 0);
    client.close();
  }
});

test('a client of simple replies gets the zeroes of a hole as bytes', async (t) => {
  const { unix, server } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  for (const length of [1, 16 * 1024, 16 * 1024 + 1, 3 * MiB + 1]) {
    client.send(request({ type: read, length }));
    const { data: bytes } = await client.takeReply(length);
    assert.ok(bytes.equals(Buffer.alloc(length)));
  }
  await until('everything to be given back', () => server.bytesInFlight === 0);
});

test('reads and questions about extents fail in chunks that say why; what the device meant for itself stays there', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onStructuredExport(unix, 'd');
  for (const type of [read, blockStatus]) {
    client.send(request({ type, cookie: 3, offset: 8 * MiB, length: 1 }));
    const refused = await client.takeChunk();
    assert.deepEqual([refused.cookie, refused.flags, refused.type], [3, 1, error]);
    assert.equal(refused.payload.readUInt32BE(0), 22);
    assert.match(refused.payload.toString('utf8', 6), /inside the export/);
    device.failure = Object.assign(new Error('shard 2 has no live engine'), { nbdErrno: 5 });
    client.send(request({ type, length: 1 }));
    assert.match((await client.takeChunk()).payload.toString('utf8', 6), /shard 2 has no live engine/);
    device.failure = new TypeError('secret internals');
    client.send(request({ type, length: 1 }));
    const failed = await client.takeChunk();
    assert.equal(failed.payload.readUInt32BE(0), 5);
    assert.doesNotMatch(failed.payload.toString('utf8', 6), /secret/);
  }
  client.send(request({ type: trim, length: 1 }));
  assert.equal((await client.takeReply()).error, 5, 'other requests fail simply');
  device.failure = undefined;
  client.send(request({ type: read, length: 0 }), request({ type: write, length: 0 }));
  assert.deepEqual(
    [await client.takeChunk(), (await client.takeReply()).error],
    [{ cookie: 1, flags: 1, type: none, payload: Buffer.alloc(0) }, 0],
  );
});

test('BLOCK_STATUS tells holes from data, one extent if so asked, and may cover a prefix only', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onStructuredExport(unix, 'd');
  client.send(request({ type: write, offset: 8192, payload: Buffer.alloc(5000, 1) }));
  await client.takeReply();
  const extents = async (fields: { flags?: number; offset: number; length: number }) => {
    client.send(request({ type: blockStatus, ...fields }));
    const chunk = await client.takeChunk();
    assert.deepEqual([chunk.flags, chunk.type], [1, status]);
    return chunk.payload;
  };
  const all = await extents({ offset: 0, length: 8 * MiB });
  assert.deepEqual(all, hex('00000001  00002000 00000003  00002000 00000000  007fc000 00000003'));
  const inside = await extents({ offset: 8191, length: 3 });
  assert.deepEqual(inside, hex('00000001  00000001 00000003  00000002 00000000'));
  const one = await extents({ flags: 8, offset: 8192, length: 1 * MiB });
  assert.deepEqual(one, hex('00000001  00002000 00000000'));
  device.extentBytesMax = 4096;
  assert.deepEqual(await extents({ offset: 0, length: 8 * MiB }), hex('00000001  00001000 00000003'));
});

test('the memory of answers about extents is bounded like that of data', async (t) => {
  const { unix, device, server } = await serve(t);
  const client = await RawClient.onStructuredExport(unix, 'd');
  device.hold();
  client.send(...Array.from({ length: 20 }, () => request({ type: blockStatus, length: 8 * MiB })));
  await until('all of them in flight', () => device.held === 20);
  assert.equal(server.bytesInFlight, 20 * maxStatusBytes);
  device.release();
  for (let i = 0; i < 20; i++) assert.equal((await client.takeChunk()).type, status);
  await until('everything to be given back', () => server.bytesInFlight === 0);
});

test('a client that does not read its structured replies holds no more than its share', async (t) => {
  const { unix, device, server } = await serve(t);
  const [greedy, polite] = [
    await RawClient.onStructuredExport(unix, 'd'),
    await RawClient.onStructuredExport(unix, 'd'),
  ];
  greedy.send(request({ type: write, payload: Buffer.alloc(8 * MiB, 1) }));
  await greedy.takeReply();
  greedy.socket.pause();
  greedy.send(...Array.from({ length: 200 }, () => request({ type: read, length: 8 * MiB })));
  await until('the share to be used up', () => server.bytesInFlight === 64 * MiB);
  polite.send(request({ type: read, length: 4096 }));
  assert.equal((await polite.takeChunk()).payload.length, 8 + 4096);
  assert.ok(device.calls.length < 20);
  greedy.close();
  await until('its memory to be given back', () => server.bytesInFlight === 0);
});

test('CACHE succeeds without the device; FAST_ZERO of whole blocks zeroes, of parts says that it would be slow', async (t) => {
  const { unix, device } = await serve(t);
  const client = await RawClient.onExport(unix, 'd');
  const answers: [Parameters<typeof request>[0], number][] = [
    [{ type: cache, length: 8 * MiB }, 0],
    [{ type: cache, offset: 1, length: 8 * MiB }, 22],
    [{ type: zeroes, flags: 16, length: 8192 }, 0],
    [{ type: zeroes, flags: 2, length: 100 }, 0],
    [{ type: zeroes, flags: 18, length: 100 }, 95],
  ];
  for (const [fields, expected] of answers) {
    client.send(request(fields));
    assert.equal((await client.takeReply()).error, expected, JSON.stringify(fields));
  }
  assert.deepEqual(device.calls, ['zero 0 8192', 'zero 0 100']);
});

test('shutdown refuses structured requests in their own form', async (t) => {
  const { unix, device, server } = await serve(t);
  const client = await RawClient.onStructuredExport(unix, 'd');
  device.hold();
  client.send(request({ type: read, cookie: 1, length: 9 }));
  await until('the read to be in flight', () => device.held === 1);
  const closing = server.close({ deadlineMs: 5000 });
  client.send(request({ type: blockStatus, cookie: 2, length: 9 }));
  const refused = await client.takeChunk();
  assert.deepEqual([refused.cookie, refused.type, refused.payload.readUInt32BE(0)], [2, error, 108]);
  device.release();
  assert.equal((await client.takeChunk()).type, hole);
  assert.equal((await client.rest()).length, 0);
  client.close();
  assert.deepEqual(await closing, { cutConnections: 0 });
});
