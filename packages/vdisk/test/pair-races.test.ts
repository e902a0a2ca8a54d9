import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { EngineError } from '../src/errors.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startPair(options = {}): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  return { a, b, h: await new PairHarness(a, b, options).mount() };
}

/** What a restart that loses the last batch leaves behind, without the restart. */
async function forgetLastBatch(engine: TestEngine, block: number): Promise<void> {
  const seq = Number(await engine.cli('HGET', 'salvor:writes:v1', 'seq'));
  await engine.cli('HSET', 'salvor:writes:v1', 'seq', String(seq - 1));
  await engine.cli('HDEL', 'nondedup:v1', String(block));
  await engine.cli('CLIENT', 'KILL', 'TYPE', 'normal');
}

test('a link that comes back without its tail serves nothing, though etcd tells of something else just then', async () => {
  const { a, h } = await startPair();
  await h.write(1, 0x11);
  await h.write(2, 0x22);
  let busy = true;
  const chatter = (): void => {
    if (!busy) return;
    // Another shard's incident changes: the same statuses, told anew.
    h.pair.applyRecords({ ...h.primary }, h.slave && { ...h.slave });
    setImmediate(chatter);
  };
  const broken = h.pair.member('primary').session;
  chatter();
  await forgetLastBatch(a, 2);
  await until(() => {
    const { session, fault } = h.pair.member('primary');
    return fault !== null || (session !== null && session !== broken);
  }, 'the link is opened anew');
  const found = await h.read(2);
  busy = false;
  assert.equal(found, 0x22);
  assert.deepEqual(
    h.failures.map(({ fault }) => fault),
    ['tail-lost'],
  );
  h.pair.close(new Error('done'));
});

test('a batch that a member applied and lost again before it was acknowledged is sent to it again', async () => {
  const { a, b, h } = await startPair();
  await h.write(1, 0x11);
  const slave = h.pair.member('slave');
  const transact = slave.transact.bind(slave);
  let isFirst = true;
  slave.transact = async (frame, head) => {
    if (!isFirst) return await transact(frame, head);
    isFirst = false;
    const primary = h.pair.member('primary');
    const before = primary.session;
    await until(() => before?.head.seq === head.seq, 'the primary has the batch');
    await forgetLastBatch(a, 2);
    await until(() => primary.session !== null && primary.session !== before, 'its link is opened anew');
    slave.session?.close();
    slave.session = null;
    throw new EngineError('unreachable', 'cut by the test');
  };
  await h.write(2, 0x22);
  assert.equal(await h.read(2), 0x22);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('a copy whose record is refused while the next part of the map is read ends the attempt, not the process', async () => {
  const { a, h } = await startPair({ blocks: 70_000 });
  await h.write(1, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await h.write(2, 0x22);
  await h.write(69_999, 0x33);
  await a.start();
  const { copied } = h.pair;
  let refused = 0;
  h.pair.copied = (...args) =>
    refused++ < 2 ? Promise.reject(new Error('refused by the test')) : copied.apply(h.pair, args);
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', note);
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'a later try completes the repair');
  process.off('unhandledRejection', note);
  assert.deepEqual(unhandled, []);
  h.pair.close(new Error('done'));
});

test('what a copy step stores counts as missing again when the target loses it, though the step was torn', async () => {
  const { a, b, h } = await startPair();
  for (let block = 0; block < 10; block++) await h.write(block, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  for (let block = 3; block < 6; block++) await h.write(block, 0x22);
  // Its ring is gone, so every block is compared.
  await b.cli('HSET', 'salvor:writes:v1', 'ringFloor', '999999', 'gapFloor', '999999');
  await b.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await a.start();
  const cutBack = a.mark();
  const source = h.pair.member('slave');
  const target = h.pair.member('primary');
  const transact = source.transact.bind(source);
  let isTorn = false;
  source.transact = async (frame, head) => {
    if (isTorn || target.preparedFor === null) return await transact(frame, head);
    isTorn = true;
    await until(() => target.session?.head.seq === head.seq, 'the target has the copies');
    source.session?.close();
    source.session = null;
    throw new EngineError('unreachable', 'cut by the test');
  };
  h.repairTemporary(a.address, 1);
  await until(() => h.repairs.length === 1, 'the repair completes');
  assert.ok(isTorn);
  h.record(a.address, 'online');
  await a.kill();
  cutBack();
  await a.start();
  h.record(a.address, 'offline');
  h.repairTemporary(a.address, 2);
  await until(() => h.repairs.length === 2, 'what it lost of the repair is copied again');
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('an engine is not blamed for links and repairs that end because the vdisk is unmounted', async () => {
  const { a, b, h } = await startPair();
  await h.write(1, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await a.start();
  const failures = h.failures.length;
  const target = h.pair.member('primary');
  const open = target.openUnjudged.bind(target);
  let isOver = false;
  target.openUnjudged = async () => {
    h.pair.close(new Error('unmounted'));
    try {
      return await open();
    } finally {
      isOver = true;
    }
  };
  h.repairTemporary(a.address);
  await until(() => isOver, 'the repair is under way when the pair closes');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(h.failures.length, failures);
  assert.equal(await b.cli('PING'), 'PONG');
});
