import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { PairHarness, TestEngine } from './pair-harness.ts';

/** Keeps the engine busy, and ends every other connection before it looks at what they sent meanwhile. */
const BUSY_THEN_KILL = [
  `EVAL "local b=redis.call('TIME'); repeat local n=redis.call('TIME') until (n[1]-b[1])*1000000+n[2]-b[2] > 150000; return 1" 0`,
  'CLIENT KILL TYPE normal SKIPME yes',
  '',
].join('\r\n');

test('a link that breaks with reads and writes under way is opened again, and the engine has not failed', async () => {
  const [primary, slave] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  try {
    const h = await new PairHarness(primary, slave).mount();
    await h.write(1, 0x11);
    const socket = connect(primary.port, '127.0.0.1');
    const killed = new Promise<void>((resolve) => {
      let replies = '';
      socket.on('data', (bytes) => {
        replies += bytes.toString('latin1');
        if (/^:1\r\n:\d+\r\n$/.test(replies)) resolve();
      });
    });
    await new Promise<void>((resolve) => socket.write(BUSY_THEN_KILL, () => resolve()));
    const [read] = await Promise.all([h.read(1), h.write(2, 0x22), killed]);
    assert.equal(read, 0x11);
    assert.equal(await h.read(2), 0x22);
    assert.deepEqual(h.failures, []);
    socket.destroy();
    h.pair.close(new Error('the test is over'));
  } finally {
    await Promise.all([primary.stop(), slave.stop()]);
  }
});
