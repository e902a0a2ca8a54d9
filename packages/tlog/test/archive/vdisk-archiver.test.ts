import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Archived,
  LogError,
  type MissingSegments,
  Tier2Source,
  type Tier2Store,
  VdiskArchiver,
  type VdiskChunks,
} from '../../src/index.ts';
import { chunksIn, contents, contentsOf, damage, logOf, step, storeIn } from '../chunk/log-model.ts';
import { FakeTier1 } from './fake-tier1.ts';

interface Desk {
  readonly archiver: VdiskArchiver;
  readonly recorded: Archived[];
  readonly missing: MissingSegments[];
}

function deskOf(
  chunks: VdiskChunks,
  tier1: FakeTier1,
  change: { after?: number; nowMs?: () => number } = {},
): Desk {
  const recorded: Archived[] = [];
  const missing: MissingSegments[] = [];
  const archiver = new VdiskArchiver({
    ...{ chunks, streams: tier1, container: 1, after: change.after ?? 0 },
    ...{ chunkBytes: 2_000, maxAgeMs: 1_000, nowMs: change.nowMs ?? (() => 0) },
    record: async (archived) => void recorded.push(archived),
    missing: async (range) => void missing.push(range),
  });
  return { archiver, recorded, missing };
}

async function drain({ archiver }: Desk, options: { flush?: boolean } = {}): Promise<void> {
  while (await archiver.step(options));
}

const sets = (count: number): ReturnType<typeof logOf> =>
  logOf(Array.from({ length: count }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));

/** A store that fails at its n-th call that changes something, before or after it was done: as a kill does. */
function dyingAt(store: Tier2Store, calls: number, isDone: boolean): Tier2Store {
  let left = calls;
  const dying = async (work: () => Promise<void>): Promise<void> => {
    left -= 1;
    if (left < 0) throw new Error('killed');
    if (left === 0 && !isDone) throw new Error('killed');
    await work();
    if (left === 0) throw new Error('killed');
  };
  return {
    ...{ name: store.name, list: (prefix) => store.list(prefix), stat: (path) => store.stat(path) },
    readRanges: (path, ranges) => store.readRanges(path, ranges),
    ...{ read: (path, offset, length) => store.read(path, offset, length), close: () => store.close() },
    tidy: (prefix) => store.tidy(prefix),
    put: (path, parts) => dying(() => store.put(path, parts)),
    delete: (path) => dying(() => store.delete(path)),
  };
}

test('an archiver that is killed at any moment, again and again, neither loses nor doubles anything', async (context) => {
  const { store } = await storeIn(context);
  let folder = 0;
  const kill = fc.record({
    calls: fc.integer({ min: 1, max: 6 }),
    isDone: fc.boolean(),
    published: fc.nat(6),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40 }),
      fc.array(kill, { maxLength: 6 }),
      async (steps, kills) => {
        const log = logOf(steps);
        const at = ++folder;
        const tier1 = new FakeTier1();
        let published = 0;
        for (const kill of kills) {
          tier1.publish(...log.slice(published, published + kill.published));
          published = Math.min(log.length, published + kill.published);
          const desk = deskOf(chunksIn(dyingAt(store, kill.calls, kill.isDone), at), tier1);
          await drain(desk, { flush: true }).catch((error: unknown) =>
            assert.equal(String(error), 'Error: killed'),
          );
          assert.deepEqual(desk.missing, []);
        }
        tier1.publish(...log.slice(published));
        const desk = deskOf(chunksIn(store, at), tier1);
        await drain(desk, { flush: true });
        assert.deepEqual(desk.missing, []);
        const source = await Tier2Source.open(chunksIn(store, at));
        assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
        assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log).reverse());
      },
    ),
    { numRuns: 60 },
  );
});

test('what an archiver has stored that died then is told, and let go of, by the next one, although nothing is new', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  tier1.publish(...sets(12));
  const desk = deskOf(chunks, tier1);
  const dies = new VdiskArchiver({
    ...{ chunks, streams: tier1, container: 1, after: 0, chunkBytes: 1_000_000, maxAgeMs: 1_000 },
    nowMs: () => 0,
    record: async () => assert.fail('killed'),
    missing: async () => assert.fail('nothing is missing'),
  });
  await assert.rejects(dies.step({ flush: true }), /killed/);
  assert.equal(tier1.numbers.length, 12);
  await drain(desk);
  assert.deepEqual(
    desk.recorded.map(({ number }) => number),
    [12],
  );
  assert.deepEqual(tier1.numbers, [12]);
  await drain(desk);
  assert.equal(desk.recorded.length, 1);
});

test('chunks are written by size, the rest by age, and Tier-1 keeps the newest segment', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  let nowMs = 5_000;
  const desk = deskOf(chunks, tier1, { nowMs: () => nowMs });
  tier1.publish(...sets(20));
  await drain(desk);
  const bySize = desk.archiver.archived?.number ?? 0;
  assert.ok(bySize > 0 && bySize < 20);
  assert.equal(tier1.numbers[0], bySize);
  nowMs += 999;
  await drain(desk);
  assert.equal(desk.archiver.archived?.number, bySize);
  assert.equal(desk.archiver.lagMs, 999);
  nowMs += 1;
  await drain(desk);
  assert.deepEqual(tier1.numbers, [20]);
  assert.equal(desk.recorded.at(-1)?.number, 20);
  assert.equal(desk.recorded.at(-1)?.sequence, 20);
  assert.equal(desk.archiver.pendingBytes, 0);
});

test('marks without records are archived as well, under names of their own', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  const log = logOf([
    { mark: 'begin' },
    { mark: 'snap' },
    { changes: [{ block: 1, fill: 1 }] },
    { mark: 'snap' },
    { mark: 'begin' },
  ]);
  for (const segment of log) {
    tier1.publish(segment);
    await drain(deskOf(chunks, tier1), { flush: true });
  }
  assert.equal((await chunks.list()).length, 5);
  const source = await Tier2Source.open(chunks);
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
});

test('while Tier-2 is away nothing is let go of and memory is bounded; afterwards all of it is archived', async (context) => {
  const { store } = await storeIn(context);
  const tier1 = new FakeTier1();
  let isAway = true;
  const away: Tier2Store = {
    ...{ name: store.name, list: (prefix) => store.list(prefix), stat: (path) => store.stat(path) },
    readRanges: (path, ranges) => store.readRanges(path, ranges),
    ...{ read: (path, offset, length) => store.read(path, offset, length), close: () => store.close() },
    ...{ tidy: (prefix) => store.tidy(prefix), delete: (path) => store.delete(path) },
    put: async (path, parts) => {
      if (isAway) throw new LogError('store', 'away');
      await store.put(path, parts);
    },
  };
  const desk = deskOf(chunksIn(away), tier1);
  const log = sets(60);
  for (const segment of log) {
    tier1.publish(segment);
    await desk.archiver.step().catch((error: unknown) => assert.equal((error as LogError).code, 'store'));
    assert.ok(desk.archiver.pendingBytes < 3_000);
  }
  assert.equal(tier1.numbers.length, 60);
  isAway = false;
  await drain(desk, { flush: true });
  assert.deepEqual(tier1.numbers, [60]);
  const source = await Tier2Source.open(chunksIn(store));
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
});

test('segments that Tier-1 lost are told, with their numbers and sequences, and what is left is archived', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  tier1.publish(...sets(12));
  tier1.lose(5, 7);
  const desk = deskOf(chunks, tier1);
  await drain(desk, { flush: true });
  assert.deepEqual(desk.missing, [
    { from: 5, to: 7, after: 4, before: 8, reason: 'Tier-1 has segment 8 behind 4' },
  ]);
  const source = await Tier2Source.open(chunks);
  const left = contentsOf(sets(12).filter(({ number }) => number < 5 || number > 7));
  assert.deepEqual(await contents(source, source.oldestFirst()), left);
});

test('a torn chunk is archived again from what can be read of it and from what Tier-1 still has', async (context) => {
  const { store, root } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  const log = sets(8);
  tier1.publish(...log);
  await drain(deskOf(chunks, tier1), { flush: true });
  const [torn] = (await chunks.list()).sort((a, b) => b.from - a.from);
  assert.ok(torn);
  await damage(root, torn.path, (bytes) => bytes.subarray(0, bytes.length - 30));
  // Tier-1 has the newest segment still, which is the one that is torn.
  const desk = deskOf(chunks, tier1);
  await drain(desk, { flush: true });
  assert.deepEqual(desk.missing, []);
  const source = await Tier2Source.open(chunks);
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
  for (const chunk of await chunks.list()) assert.deepEqual((await chunks.scan(chunk, 'asked')).lost, []);
});

test('a torn chunk of which Tier-1 has nothing any more stays as it is', async (context) => {
  const { store, root } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  tier1.publish(...sets(8));
  await drain(deskOf(chunks, tier1), { flush: true });
  const [torn] = (await chunks.list()).sort((a, b) => b.from - a.from);
  assert.ok(torn);
  await damage(root, torn.path, (bytes) => bytes.subarray(0, bytes.length - 30));
  tier1.lose(1, 8);
  tier1.publish({ ...sets(9).slice(8)[0], number: 9 } as ReturnType<typeof sets>[number]);
  await drain(deskOf(chunks, tier1), { flush: true });
  assert.ok((await chunks.list()).some(({ path }) => path === torn.path));
});

test('an archiver that cannot record lets nothing go, and does both as soon as it can', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  tier1.publish(...sets(4));
  let mayRecord = false;
  const archiver = new VdiskArchiver({
    ...{
      chunks,
      streams: tier1,
      container: 1,
      after: 0,
      chunkBytes: 1_000_000,
      maxAgeMs: 1_000,
      nowMs: () => 0,
    },
    record: async () => {
      if (!mayRecord) throw new Error('etcd is away');
    },
    missing: async () => undefined,
  });
  await assert.rejects(archiver.step({ flush: true }), /etcd is away/);
  assert.equal(tier1.numbers.length, 4);
  mayRecord = true;
  await archiver.step();
  assert.deepEqual(tier1.numbers, [4]);
  assert.equal((await chunks.list()).length, 1);
});

test('what belongs to an earlier log of the same name is left alone', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const tier1 = new FakeTier1();
  const log = sets(9);
  tier1.publish(...log.slice(4));
  const desk = deskOf(chunks, tier1, { after: 6 });
  await drain(desk, { flush: true });
  assert.deepEqual(desk.missing, []);
  const source = await Tier2Source.open(chunks, { after: 6 });
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log.slice(6)));
});
