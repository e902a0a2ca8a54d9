import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CuttableLine, EngineLink, type RedisHandle, startRedis, tempDir, until } from '@salvor/testkit';

const dir = tempDir('line');
let engine: RedisHandle;
before(async () => {
  engine = await startRedis({ dir: dir.join('engine') });
});
after(async () => {
  await engine.process.stop();
  dir.remove();
});

async function stored(key: string): Promise<unknown> {
  using direct = await EngineLink.open(engine.port);
  return await direct.send('GET', key);
}

describe('a line', () => {
  it('carries what is asked and answered, over TCP', async () => {
    await using line = await CuttableLine.to(engine.port);
    using link = await EngineLink.open(line.port);
    assert.equal(await link.send('SET', 'open', '1'), 'OK');
  });

  it('that is cut ends its connections, and new ones, until it is mended', async () => {
    await using line = await CuttableLine.to(engine.port);
    using link = await EngineLink.open(line.port);
    line.cut();
    await assert.rejects(link.send('PING'));
    using late = await EngineLink.open(line.port);
    await assert.rejects(late.send('PING'));
    line.mend();
    using again = await EngineLink.open(line.port);
    assert.equal(await again.send('PING'), 'PONG');
  });

  it('that is silent delivers late what it was given, even when the sender is gone by then', async () => {
    await using line = await CuttableLine.to(engine.port);
    const link = await EngineLink.open(line.port);
    assert.equal(await link.send('PING'), 'PONG');
    line.disturb('silent');
    const answered = link.send('SET', 'late', '1').then(
      () => 'answered',
      () => 'not answered',
    );
    assert.equal(await stored('late'), null);
    link.close();
    assert.equal(await answered, 'not answered');
    line.mend();
    await until(async () => (await stored('late')) === '1', {
      what: 'the late write has arrived',
      timeoutMs: 10_000,
    });
  });

  it('that is mute delivers what is asked, and the answers when it is mended', async () => {
    await using line = await CuttableLine.to(engine.port);
    using link = await EngineLink.open(line.port);
    line.disturb('mute');
    let isAnswered = false;
    const answered = link.send('SET', 'mute', '1').then((reply) => {
      isAnswered = true;
      return reply;
    });
    await until(async () => (await stored('mute')) === '1', {
      what: 'the write has arrived',
      timeoutMs: 10_000,
    });
    assert.equal(isAnswered, false);
    line.mend();
    assert.equal(await answered, 'OK');
  });

  it('carries each byte once, whatever it goes through', async () => {
    await using line = await CuttableLine.to(engine.port);
    using link = await EngineLink.open(line.port);
    const counts: Promise<unknown>[] = [];
    for (const state of ['mute', 'silent', 'mute', 'silent'] as const) {
      counts.push(link.send('INCR', 'count'));
      line.disturb(state);
      counts.push(link.send('INCR', 'count'));
      line.mend();
      line.mend();
      counts.push(link.send('INCR', 'count'));
    }
    assert.deepEqual(
      await Promise.all(counts),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    assert.equal(await stored('count'), '12');
  });

  it('may begin at a unix socket', async () => {
    const path = join(dir.path, 'line.sock');
    await using line = await CuttableLine.to(engine.port, path);
    assert.equal(line.state, 'open');
    assert.throws(() => line.port);
  });
});
