import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { openSocket } from '../src/engine-socket.ts';
import { EngineError } from '../src/errors.ts';

const CONNECT_TIMEOUT_MS = 50;

test('an engine that accepts a connection is not blamed for an event loop that was busy', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const listening = server.address();
  if (listening === null || typeof listening === 'string') throw new Error('it listens on a port');
  const opening = openSocket(
    { address: `127.0.0.1:${listening.port}`, connectTimeoutMs: CONNECT_TIMEOUT_MS },
    null,
  );
  const busyUntil = performance.now() + 4 * CONNECT_TIMEOUT_MS;
  while (performance.now() < busyUntil);
  const socket = await opening;
  socket.destroy();
  server.close();
});

test('an engine that accepts no connection is given up after the timeout', async () => {
  // Addresses of TEST-NET-1 (RFC 5737) belong to nobody.
  const opening = openSocket({ address: '192.0.2.1:6379', connectTimeoutMs: CONNECT_TIMEOUT_MS }, null);
  await assert.rejects(opening, (error) => error instanceof EngineError);
});
