import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startPair(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  return { a, b, h: await new PairHarness(a, b).mount() };
}

test('what an abandoned link still has on its way is refused once a new link is open', async () => {
  const { a, b, h } = await startPair();
  await h.write(1, 0x11);
  // The link as the engine knows it: armed under our epoch, its transaction sent but for the end.
  const old = connect(a.port, '127.0.0.1');
  await once(old, 'connect');
  const say = async (line: string): Promise<string> => {
    old.write(`${line}\r\n`);
    const [reply] = (await once(old, 'data')) as [Buffer];
    return reply.toString();
  };
  assert.equal(await say('WATCH salvor:epoch:v1'), '+OK\r\n');
  assert.equal(await say('MULTI'), '+OK\r\n');
  assert.equal(await say('HSET nondedup:v1 1 stale'), '+QUEUED\r\n');
  assert.equal(await say('HSET salvor:writes:v1 seq 0'), '+QUEUED\r\n');

  h.pair.member('primary').closeIdle();
  await h.write(2, 0x22);
  assert.equal(await say('EXEC'), '*-1\r\n', 'the engine aborts it');
  old.destroy();
  assert.equal(await h.read(1), 0x11);
  assert.deepEqual(h.failures, []);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('a failure that nobody records is proposed, also where no member is left to serve', async () => {
  const { a, b, h } = await startPair();
  h.record(b.address, 'offline');
  await h.write(1, 0x11);
  await a.kill();
  await until(() => h.proposals.length > 0, 'the owner proposes it itself');
  assert.deepEqual(h.proposals, [a.address]);
  assert.equal(h.pair.mode.kind, 'unavailable');
  h.pair.close(new Error('done'));
});

test('a failure of the member under repair is proposed until it is recorded', async () => {
  const { a, b, h } = await startPair();
  h.record(b.address, 'offline');
  await h.write(1, 0x11);
  await b.kill();
  h.repairTemporary(b.address);
  await until(() => h.proposals.length > 0, 'the owner proposes it itself');
  assert.deepEqual(h.proposals, [b.address]);
  assert.equal(await h.read(1), 0x11);
  assert.equal(h.pair.mode.kind, 'alone');
  assert.equal((await stored(a)).get(1), 0x11);
  h.pair.close(new Error('done'));
});
