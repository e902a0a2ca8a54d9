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
  ...{ alerts: [], recoveries: [], plans: [], news: [], actions: [] },
};

test('a page that takes nothing has one message waiting, whatever happens, and is dropped in the end', async () => {
  let now = 0;
  let round = 0;
  let dropped = 0;
  const big = 'x'.repeat(2_000_000);
  const feed = new Feed({
    ...{ now: () => now, clientsMax: 5, aliveMs: 20, stallMs: 10_000 },
    state: () => ({ ...empty, news: [{ at: round, type: 't', text: big, alarming: false }] }),
    dropped: () => {
      dropped += 1;
    },
  });
  let most = 0;
  let waiting = 0;
  let movedIn = 0;
  const server = createServer((_request, response) => {
    feed.add(response);
    const look = (): void => {
      if (response.writableLength !== waiting) movedIn = round;
      waiting = response.writableLength;
      most = Math.max(most, waiting);
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
  try {
    // The kernel keeps some messages for the two of them; then nothing moves any more, through many changes.
    await until(() => waiting > 0 && round - movedIn >= 200, {
      what: 'a page that stalls',
      timeoutMs: 60_000,
    });
    assert.equal(dropped, 0);
    assert.ok(most < 2 * big.length + 10_000, `${most} bytes waited`);
    now = 10_001;
    await until(() => dropped === 1 && feed.size === 0, { what: 'that it is dropped', timeoutMs: 30_000 });
  } finally {
    clearInterval(play);
    feed.close();
    socket.destroy();
    server.close();
    server.closeAllConnections();
  }
});
