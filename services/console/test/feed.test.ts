import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { until } from '@salvor/testkit';
import { Feed } from '../src/feed/feed.ts';
import type { Sections } from '../src/page/state.ts';

const empty: Sections = {
  bus: { connected: true, since: 0, answeredAt: null },
  vdisks: { total: 0, shown: [] },
  healing: null,
  ...{ troubles: [], clusters: [], engines: [], incidents: [], repairs: [], operations: [], volumes: [] },
  ...{ alerts: [], recoveries: [], news: [], actions: [] },
};

test('a page that takes nothing has one message waiting, whatever happens, and is dropped in the end', async () => {
  let now = 0;
  let round = 0;
  let dropped = 0;
  const big = 'x'.repeat(400_000);
  const feed = new Feed({
    ...{ now: () => now, clientsMax: 5, aliveMs: 20, stallMs: 10_000 },
    state: () => ({ ...empty, news: [{ at: round, type: 't', text: big, alarming: false }] }),
    dropped: () => {
      dropped += 1;
    },
  });
  let waiting = 0;
  const server = createServer((_request, response) => {
    feed.add(response);
    const look = (): void => {
      waiting = Math.max(waiting, response.writableLength);
      if (!response.destroyed) setImmediate(look);
    };
    look();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  socket.pause();
  socket.on('error', () => undefined);
  await until(() => feed.size === 1, { what: 'the page', timeoutMs: 10_000 });
  const play = setInterval(() => {
    round += 1;
    feed.changed();
  }, 5);
  // Far more than the kernel keeps for the two of them.
  await until(() => round >= 400 && waiting > 0, { what: 'many changes', timeoutMs: 60_000 });
  assert.equal(dropped, 0);
  assert.ok(waiting < 2 * big.length + 10_000, `${waiting} bytes waited`);
  now = 10_001;
  await until(() => dropped === 1 && feed.size === 0, { what: 'that it is dropped', timeoutMs: 10_000 });
  clearInterval(play);
  feed.close();
  socket.destroy();
  server.close();
  server.closeAllConnections();
});
