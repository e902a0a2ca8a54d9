import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import avro from 'avsc';
import fc from 'fast-check';
import { chunkFolder, findPoint, JoinedSource, parseChunkName, Tier2Source } from '../../src/index.ts';
import {
  archive,
  chunksIn,
  contents,
  contentsOf,
  damage,
  logOf,
  step,
  storeIn,
  tailOf,
  VDISK,
} from './log-model.ts';

const steps = fc.array(step, { minLength: 1, maxLength: 14 });

/** Cuts a list at places. */
function cut<T>(items: readonly T[], places: readonly number[]): T[][] {
  const at = [...new Set(places.map((place) => place % items.length))]
    .filter((place) => place > 0)
    .sort((a, b) => a - b);
  return [0, ...at].map((from, i) => items.slice(from, at[i]));
}

test('what was archived in chunks reads as it was written, both ways, from any sequence', async (context) => {
  const { store } = await storeIn(context);
  let folder = 0;
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.nat(50), { maxLength: 4 }),
      fc.nat(60),
      async (steps, places, sequence) => {
        const log = logOf(steps);
        const chunks = chunksIn(store, ++folder);
        for (const segments of cut(log, places)) await archive(chunks, segments);
        const source = await Tier2Source.open(chunks);
        assert.deepEqual(source.range, { from: 1, to: log.length });
        const expected = contentsOf(log);
        assert.deepEqual(await contents(source, source.oldestFirst()), expected);
        assert.deepEqual(await contents(source, source.newestFirst()), [...expected].reverse());
        const upTo = log.filter(({ first }) => first <= sequence).reverse();
        assert.deepEqual(await contents(source, source.newestFirst(sequence)), contentsOf(upTo));
        const from = await contents(source, source.oldestFirst(sequence));
        assert.deepEqual(from, expected.slice(expected.length - from.length));
        const all = log.flatMap(({ records }) => records.map((record) => record.sequence));
        const seen = new Set(from.flatMap(({ blocks }) => blocks.map(([at]) => at)));
        assert.ok(all.filter((at) => at >= sequence).every((at) => seen.has(at)));
      },
    ),
    { numRuns: 40 },
  );
});

test('chunks that overlap, repeat or contain each other read as one log', async (context) => {
  const { store } = await storeIn(context);
  let folder = 100;
  const range = fc.tuple(fc.nat(20), fc.nat(20));
  await fc.assert(
    fc.asyncProperty(steps, fc.array(range, { maxLength: 5 }), async (steps, ranges) => {
      const log = logOf(steps);
      const chunks = chunksIn(store, ++folder);
      const half = Math.ceil(log.length / 2);
      await archive(chunks, log.slice(0, half));
      if (half < log.length) await archive(chunks, log.slice(half));
      for (const [a, b] of ranges) {
        const from = a % log.length;
        await archive(chunks, log.slice(from, from + 1 + (b % (log.length - from))));
      }
      const source = await Tier2Source.open(chunks);
      assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
      assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log).reverse());
    }),
    { numRuns: 40 },
  );
});

test('archive and tail join without a seam, wherever they overlap', async (context) => {
  const { store } = await storeIn(context);
  let folder = 200;
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), fc.nat(), fc.nat(60), async (steps, a, b, sequence) => {
      const log = logOf(steps);
      const chunks = chunksIn(store, ++folder);
      const archived = 1 + (a % log.length);
      const trimmed = b % (archived + 1);
      await archive(chunks, log.slice(0, archived));
      const source = new JoinedSource(await Tier2Source.open(chunks), tailOf(log.slice(trimmed)));
      assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log).reverse());
      assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
      const from = await contents(source, source.oldestFirst(sequence));
      assert.deepEqual(from, contentsOf(log).slice(log.length - from.length));
    }),
    { numRuns: 40 },
  );
});

test('what is neither archived nor in the tail is left out, both ways', async (context) => {
  const { store } = await storeIn(context);
  const log = logOf(Array.from({ length: 9 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  await archive(chunks, log.slice(0, 3));
  const source = new JoinedSource(await Tier2Source.open(chunks), tailOf(log.slice(5)));
  const left = contentsOf([...log.slice(0, 3), ...log.slice(5)]);
  assert.deepEqual(await contents(source, source.oldestFirst()), left);
  assert.deepEqual(await contents(source, source.newestFirst()), left.reverse());
});

test('a chunk that is missing is told, with its segments', async (context) => {
  const { store } = await storeIn(context);
  const log = logOf(Array.from({ length: 9 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  for (const segments of cut(log, [3, 6])) await archive(chunks, segments);
  const [, second] = (await chunks.list()).sort((a, b) => a.from - b.from);
  assert.ok(second);
  await chunks.delete(second);
  const noticed: string[] = [];
  const source = await Tier2Source.open(chunks, { noticed: (what) => noticed.push(what) });
  const left = contentsOf([...log.slice(0, 3), ...log.slice(6)]);
  assert.deepEqual(await contents(source, source.oldestFirst()), left);
  assert.deepEqual(await contents(source, source.newestFirst()), left.reverse());
  assert.match(noticed[0] ?? '', /segments 4 to 6 are missing: no chunk in tlog\/1\/v:1\/ holds them/);
});

test('an earlier log of the same name is not read', async (context) => {
  const { store } = await storeIn(context);
  const log = logOf(Array.from({ length: 9 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  for (const segments of cut(log, [3, 6])) await archive(chunks, segments);
  const source = await Tier2Source.open(chunks, { after: 4 });
  assert.deepEqual(source.range, { from: 5, to: 9 });
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log.slice(4)));
  assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log.slice(4)).reverse());
});

test('a chunk and its index are Avro files that avsc reads', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf([
    {
      changes: [
        { block: 3, fill: 2 },
        { block: 4, fill: 0 },
      ],
    },
    { mark: 'begin' },
    { changes: [{ block: 1, fill: 1 }] },
  ]);
  const { path } = await archive(chunksIn(store), log);
  const objects = async (file: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const object of avro.createFileDecoder(file)) found.push({ ...(object as object) });
    return found;
  };
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  assert.deepEqual(
    plain(await objects(join(root, path))),
    plain(log.map((segment) => ({ ...segment, covers: null }))),
  );
  const index = (await objects(join(root, path.replace('.avro', '.idx.avro')))) as { number: number }[];
  assert.deepEqual(
    index.map(({ number }) => number),
    [1, 2, 3],
  );
});

test('without its index, or with a bad one, a chunk reads the same', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf(
    Array.from({ length: 6 }, (_, i) => ({
      changes: [
        { block: i, fill: 1 },
        { block: 1, fill: 0 },
      ],
    })),
  );
  const chunks = chunksIn(store);
  const { path } = await archive(chunks, log);
  const index = path.replace('.avro', '.idx.avro');
  const whole = await store.read(index, 0, (await store.stat(index))?.sizeBytes ?? 0);
  const check = async (): Promise<void> => {
    const source = await Tier2Source.open(chunks);
    assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
  };
  await fc.assert(
    fc.asyncProperty(
      fc.nat(whole.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (at, by, isTorn) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ by;
        await store.put(index, [isTorn ? bytes.subarray(0, at) : bytes]);
        await check();
      },
    ),
    { numRuns: 100 },
  );
  await rm(join(root, index));
  await check();
  const [found] = await chunks.list();
  assert.ok(found);
  await chunks.writeIndex(found, await chunks.scan(found, 'missing'));
  assert.deepEqual(await store.read(index, 0, whole.length), whole);
});

test('a damaged segment costs no other one, and is told with its file and its bytes', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf(Array.from({ length: 8 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  const found = await archive(chunks, log);
  const whole = await store.read(found.path, 0, found.sizeBytes);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: whole.length - 900, max: whole.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, by) => {
        await damage(root, found.path, () => {
          const bytes = Buffer.from(whole);
          bytes[at] = (bytes[at] ?? 0) ^ by;
          return bytes;
        });
        const { entries, lost } = await chunks.scan(found, 'asked');
        assert.ok(lost.length <= 1, JSON.stringify(lost));
        const held = new Set(entries.map(({ number }) => number));
        for (const { from, to, reason } of lost) {
          assert.ok(to === from && !held.has(from));
          assert.match(reason, /bytes \d+ to \d+ cannot be read|expected segment \d, found/);
        }
        assert.equal(held.size + lost.length, log.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('a torn chunk holds what lies before the tear', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf(Array.from({ length: 5 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  const { path } = await archive(chunks, log);
  await damage(root, path, (bytes) => bytes.subarray(0, bytes.length - 30));
  const noticed: string[] = [];
  const source = await Tier2Source.open(chunks, { noticed: (what) => noticed.push(what) });
  assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log.slice(0, 4)).reverse());
  assert.match(noticed[0] ?? '', /segments 5 to 5 are missing: .*it ends within a block/);
  assert.equal(await source.newestNumber(), 5);
  const newest = { kind: 'newest' } as const;
  await assert.rejects(findPoint(VDISK, source, newest), { message: /segment 5 of its log cannot be read/ });
  assert.equal((await findPoint(VDISK, source, newest, { acceptLoss: true })).sequence, 4);
});

test('where another chunk holds the same segments, a bad one is done without', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf(Array.from({ length: 6 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const chunks = chunksIn(store);
  const whole = await archive(chunks, log);
  await archive(chunks, log.slice(0, 4));
  await archive(chunks, log.slice(2));
  await damage(root, whole.path, () => Buffer.from('nothing of it is left'));
  const source = await Tier2Source.open(chunks);
  assert.deepEqual(await contents(source, source.newestFirst()), contentsOf(log).reverse());
  assert.deepEqual(await contents(source, source.oldestFirst()), contentsOf(log));
});

test('files that claim more than they have take no memory for it', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const huge = Buffer.from('fffffffffffffff77f', 'hex');
  const log = logOf([{ changes: [{ block: 1, fill: 1 }] }]);
  const { path } = await archive(chunks, log);
  const good = await store.read(path, 0, 1_000);
  const header = good.subarray(0, good.indexOf(Buffer.from([0x00]), 1_000 - 1));
  const bodies: Buffer[] = [
    Buffer.from([0x4f, 0x62, 0x6a, 0x01, ...huge]),
    Buffer.from([0x4f, 0x62, 0x6a, 0x01, 0x02, ...huge]),
    Buffer.concat([good.subarray(0, 600), huge]),
    Buffer.concat([header, huge, huge]),
    Buffer.alloc(1_000, 0xff),
    Buffer.alloc(0),
  ];
  const before = process.memoryUsage();
  for (const body of bodies)
    for (const file of [path, path.replace('.avro', '.idx.avro')]) {
      await store.put(file, [body]);
      const [found] = await chunks.list();
      assert.ok(found);
      const { lost } = await chunks.read(found);
      if (file === path) assert.equal(lost.length, 1);
      await store.put(path, [good]);
    }
  const after = process.memoryUsage();
  assert.ok(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed < 128 * 2 ** 20);
});

test('files of other names in the folder of a vdisk are no chunks', async (context) => {
  const { store, root } = await storeIn(context);
  const chunks = chunksIn(store);
  await archive(chunks, logOf([{ mark: 'begin' }]));
  for (const name of [
    'notes.avro',
    '1-2.3-4.avro',
    '0000000000000005-0000000000000002.1-1.avro',
    'x.idx.avro',
  ])
    await store.put(`${chunkFolder(1, VDISK)}${name}`, [Buffer.from('theirs')]);
  assert.equal((await chunks.list()).length, 1);
  assert.equal((await readdir(join(root, chunkFolder(1, VDISK)))).length, 6);
});

test('the name of a chunk tells what it holds', () => {
  const name = { first: 101, last: 100, from: 7, to: 9, pass: 2, epoch: 0, kind: 'chunk' };
  const stem = '0000000000000101-0000000000000100';
  assert.deepEqual(parseChunkName(`${stem}.7-9.c2.avro`), name);
  assert.deepEqual(parseChunkName(`${stem}.7-9.avro`), { ...name, pass: 0 });
  assert.deepEqual(parseChunkName(`${stem}.7-9.e12.avro`), { ...name, pass: 0, epoch: 12 });
  assert.deepEqual(parseChunkName(`${stem}.7-9.e12.c2.idx.avro`), { ...name, epoch: 12, kind: 'index' });
  for (const bad of [
    ...['9-7.avro', '7-9.e0.avro', '7-9.e01.avro', '7-9.e.avro', '7-9.e-1.avro', '7-9.e1.5.avro'],
    ...['7-9.c2.e12.avro', '7-9.e1.e2.avro', '7-9.e9999999999999999.avro', '7-9.e12345678901234567.avro'],
  ])
    assert.equal(parseChunkName(`${stem}.${bad}`), null, bad);
});
