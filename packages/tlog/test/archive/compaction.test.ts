import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import fc from 'fast-check';
import { compactLog, Tier2Source, type VdiskChunks } from '../../src/index.ts';
import { archive, chunksIn, damage, logOf, type Step, storeIn } from '../chunk/log-model.ts';

const change = fc.record({ block: fc.nat(5), fill: fc.nat(5) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ changes: fc.array(change, { minLength: 1, maxLength: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ mark: fc.constantFrom('begin', 'snap') }) },
);

/** Every block after a sequence, from the newest record that names it. */
async function stateAt(chunks: VdiskChunks, upTo: number): Promise<Map<number, string>> {
  const source = await Tier2Source.open(chunks);
  const state = new Map<number, string>();
  for await (const segment of source.newestFirst(upTo)) {
    const data = await source.read(segment, segment.records);
    for (let i = segment.records.length - 1; i >= 0; i--) {
      const record = segment.records[i];
      if (record === undefined || record.sequence > upTo || state.has(record.block)) continue;
      state.set(record.block, String(data[i]));
    }
  }
  return state;
}

function expectedAt(log: readonly TlogSegment[], upTo: number): Map<number, string> {
  const state = new Map<number, string>();
  for (const { records, data } of log) {
    let at = 0;
    for (const { sequence, block, length } of records) {
      if (sequence <= upTo) state.set(block, String(data.subarray(at, at + length)));
      at += length;
    }
  }
  return state;
}

const nothingElse = {
  after: 0,
  pointsAt: [],
  snapshots: [],
  chunkBytes: 1_000,
  mayGoOn: async () => undefined,
};

test('states from the horizon on, at snapshots and at kept times stay exact, wherever a compaction dies', async (context) => {
  const { store } = await storeIn(context);
  let folder = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 6, maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 2 }),
      fc.array(fc.nat(), { maxLength: 2 }),
      fc.nat(8),
      async (steps, perChunk, horizon, points, snapshots, dies) => {
        const log = logOf(steps);
        const chunks = chunksIn(store, ++folder);
        for (let i = 0; i < log.length; i += perChunk) await archive(chunks, log.slice(i, i + perChunk));
        const at = (place: number): TlogSegment => log[place % log.length] as TlogSegment;
        const ends = (segment: TlogSegment): number => segment.records.at(-1)?.sequence ?? segment.first - 1;
        const kept = snapshots.map(at).map((segment, i) => ({ name: `s${i}`, sequence: ends(segment) }));
        const options = {
          ...nothingElse,
          ...{ chunks, horizonAt: at(horizon).lastAt, snapshots: kept },
          pointsAt: points.map((place) => at(place).lastAt),
        };
        let left = dies;
        const dying = async (): Promise<void> => {
          left -= 1;
          if (left < 0) throw new Error('killed');
        };
        await compactLog({ ...options, mayGoOn: dying }).catch((error: unknown) =>
          assert.equal(String(error), 'Error: killed'),
        );
        const check = async (): Promise<void> => {
          const exact = [
            ...log.filter(({ lastAt }) => lastAt >= options.horizonAt).map(ends),
            ...kept.map(({ sequence }) => sequence),
            ...points.map((place) => ends(at(place))),
          ];
          for (const sequence of exact)
            assert.deepEqual(await stateAt(chunks, sequence), expectedAt(log, sequence), `after ${sequence}`);
        };
        await check();
        await compactLog(options);
        await check();
        // What is not exact any more says so.
        const source = await Tier2Source.open(chunks);
        for await (const segment of source.newestFirst()) {
          const { covers } = segment;
          if (covers === undefined) continue;
          assert.ok(covers.number <= segment.number && covers.first <= segment.first);
          assert.deepEqual(await stateAt(chunks, covers.exactFrom), expectedAt(log, covers.exactFrom));
        }
        assert.equal(source.range?.to, log.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('of a block that is written again and again one record is left, and chunks become few', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const log = logOf(Array.from({ length: 200 }, (_, i) => ({ changes: [{ block: i % 3, fill: 1 }] })));
  for (let i = 0; i < log.length; i += 10) await archive(chunks, log.slice(i, i + 10));
  const done = await compactLog({ ...nothingElse, chunks, horizonAt: 10_000, chunkBytes: 100_000 });
  assert.equal(done?.chunksBefore, 20);
  assert.equal(done?.chunksAfter, 2);
  assert.ok((done?.bytesAfter ?? 0) < (done?.bytesBefore ?? 0) / 5);
  const source = await Tier2Source.open(chunks);
  const records: number[] = [];
  for await (const segment of source.newestBelow(191))
    records.push(...segment.records.map(({ sequence }) => sequence));
  assert.deepEqual(records, [188, 189, 190]);
  assert.equal(await compactLog({ ...nothingElse, chunks, horizonAt: 10_000 }), null);
});

test('what lies before the base goes, but for what a snapshot needs', async (context) => {
  const { store } = await storeIn(context);
  const written = logOf(Array.from({ length: 40 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
  const log = written.map((segment) => ({ ...segment, base: segment.number > 20 ? 15 : 1 }));
  const first = chunksIn(store, 1);
  const second = chunksIn(store, 2);
  for (const chunks of [first, second])
    for (let i = 0; i < log.length; i += 4) await archive(chunks, log.slice(i, i + 4));
  await compactLog({ ...nothingElse, chunks: first, horizonAt: 10_000 });
  assert.equal((await Tier2Source.open(first)).range?.from, 13);
  await compactLog({
    ...nothingElse,
    chunks: second,
    horizonAt: 10_000,
    snapshots: [{ name: 's', sequence: 9 }],
  });
  assert.deepEqual(await stateAt(second, 9), expectedAt(log, 9));
});

test('a log that is broken, or has lost segments, is not compacted', async (context) => {
  const { store, root } = await storeIn(context);
  const log = logOf(Array.from({ length: 12 }, (_, i) => ({ changes: [{ block: 1, fill: i }] })));
  const broken = chunksIn(store, 1);
  const gap = chunksIn(store, 2);
  const torn = chunksIn(store, 3);
  for (let i = 0; i < log.length; i += 3) {
    await archive(
      broken,
      log.slice(i, i + 3).map((segment) => ({ ...segment, base: 0 })),
    );
    if (i !== 3) await archive(gap, log.slice(i, i + 3));
    const { path } = await archive(torn, log.slice(i, i + 3));
    if (i === 0) await damage(root, path, (bytes) => bytes.subarray(0, bytes.length - 40));
  }
  for (const chunks of [broken, gap])
    assert.equal(await compactLog({ ...nothingElse, chunks, horizonAt: 10_000 }), null);
  await compactLog({ ...nothingElse, chunks: torn, horizonAt: 10_000 });
  assert.ok((await torn.list()).some(({ from, pass }) => from === 1 && pass === 0));
});
