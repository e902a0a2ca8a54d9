import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openStoreAt } from '../../src/index.ts';
import { startS3 } from './s3-server.ts';

test('a service that is away fails calls with where it is, and is used again when it is back', async (context) => {
  const server = await startS3();
  context.after(() => server.remove());
  const store = await openStoreAt({ location: 's3://salvor', ...server.options });
  context.after(() => store.close());
  await store.put('a/f', [Buffer.from('x')]);
  await server.stop();
  await assert.rejects(store.read('a/f', 0, 1), { code: 'store', message: /s3:\/\/salvor\/ at http:/ });
  await assert.rejects(store.put('a/g', [Buffer.from('y')]), { code: 'store' });
  await server.start();
  assert.equal(String(await store.read('a/f', 0, 1)), 'x');
});

test('a bucket that is not there is refused at once', async (context) => {
  const server = await startS3();
  context.after(() => server.remove());
  const options = { ...server.options, bucket: 'none' };
  await assert.rejects(openStoreAt({ location: 's3://none', ...options }), { code: 'store', message: /404/ });
});

test('a service that answers nothing is given up at the deadline', async (context) => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const endpoint = `http://127.0.0.1:${port}`;
  await assert.rejects(openStoreAt({ location: 's3://salvor', endpoint, credentials, timeoutMs: 200 }), {
    code: 'store',
  });
});

test('a service that ignores ranges gives no wrong bytes', async (context) => {
  const service = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.end('0123456789');
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    service.closeAllConnections();
    service.close();
  });
  const { port } = service.address() as AddressInfo;
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const endpoint = `http://127.0.0.1:${port}`;
  const store = await openStoreAt({ location: 's3://salvor', endpoint, credentials });
  context.after(() => store.close());
  await assert.rejects(store.read('a', 2, 3), { code: 'bad-chunk', message: /expected 3 bytes at 2/ });
});
