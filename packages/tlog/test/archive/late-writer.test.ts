/** A writer of an archive that is held up between its question and its put, while another one goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import {
  ArchivedImage,
  ArchiveWriter,
  archiveEnd,
  blockChecksum,
  ChunkBuilder,
  compactLog,
  decideCoverage,
  Tier2Source,
  type VdiskChunks,
} from '../../src/index.ts';
import { chunksIn, damage, storeIn, VDISK } from '../chunk/log-model.ts';

const SIZE = 64;
const as = { epoch: 1, at: 1, base: 1, blockSize: SIZE };

function segment(number: number, block: number, fill: number): TlogSegment {
  const data = Buffer.alloc(SIZE, fill);
  return {
    ...{ vdisk: VDISK, number, epoch: 1, generation: 0, kind: 'writes', name: '', first: number, base: 1 },
    ...{ firstAt: number, lastAt: number, blockSize: SIZE, positions: [], data },
    records: [{ sequence: number, block, length: SIZE, checksum: blockChecksum(data) }],
  };
}

async function writer(
  chunks: VdiskChunks,
  epoch: number,
  mayGoOn = async (): Promise<void> => undefined,
): Promise<ArchiveWriter> {
  return new ArchiveWriter({ chunks, end: await archiveEnd(chunks), chunkBytes: 1 << 20, epoch, mayGoOn });
}

async function contentOf(chunks: VdiskChunks): Promise<number[]> {
  const found = await new ArchivedImage(await Tier2Source.open(chunks), SIZE).read([0, 1, 2, 3]);
  return found.map((block) => block?.[0] ?? 0);
}

/** The first one takes three segments, and stores them after the second one has stored two chunks of one each. */
async function lateWriter(chunks: VdiskChunks): Promise<ArchiveWriter> {
  let goOn = (): void => undefined;
  const paused = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const first = await writer(chunks, 1, () => paused);
  first.addCompared([{ block: 0, data: Buffer.alloc(SIZE, 1) }], as);
  first.addMark(as);
  first.addMark(as);
  const stored = first.flush();
  const second = await writer(chunks, 2);
  second.addCompared([{ block: 0, data: Buffer.alloc(SIZE, 2) }], as);
  await second.flush();
  second.add(segment(2, 1, 2));
  await second.flush();
  goOn();
  await stored;
  return second;
}

test('what a writer stores after another one has begun to write does not count, however far it reaches', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const second = await lateWriter(chunks);
  assert.deepEqual(await archiveEnd(chunks), { number: 2, sequence: 2 });
  assert.deepEqual(await contentOf(chunks), [2, 2, 0, 0]);
  second.add(segment(3, 2, 2));
  second.add(segment(4, 3, 2));
  await second.flush();
  assert.deepEqual(await contentOf(chunks), [2, 2, 2, 2]);
});

test('compaction removes what was stored too late, and what it writes has the latest epoch', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const second = await lateWriter(chunks);
  for (const number of [3, 4]) {
    second.add(segment(number, 2, number));
    await second.flush();
  }
  const done = await compactLog({
    ...{ chunks, after: 0, horizonAt: 1_000, pointsAt: [], snapshots: [], chunkBytes: 1 << 20 },
    mayGoOn: async () => undefined,
  });
  assert.ok(done !== null);
  const found = (await chunks.list()).map(({ from, to, epoch, pass }) => [from, to, epoch, pass]);
  assert.deepEqual(found, [
    [1, 3, 2, 2],
    [4, 4, 2, 0],
  ]);
  assert.deepEqual(await contentOf(chunks), [2, 2, 4, 0]);
});

test('what was stored too late is not read in the place of what is damaged', async (context) => {
  const { store, root } = await storeIn(context);
  const chunks = chunksIn(store);
  await lateWriter(chunks);
  const used = (await chunks.list()).find(({ epoch, from }) => epoch === 2 && from === 1);
  assert.ok(used !== undefined);
  await damage(root, used.path, (bytes) => bytes.fill(0, bytes.length - SIZE - 16));
  await assert.rejects(contentOf(chunks), /does not match its checksum/);
});

test('chunks of before writers had epochs count up to where one with an epoch begins', () => {
  const chunk = (from: number, to: number, epoch: number, pass = 0) => ({
    ...{ first: from, last: to, from, to, epoch, pass },
  });
  const [old, later, late, next] = [chunk(1, 5, 0), chunk(6, 7, 3), chunk(6, 9, 0), chunk(8, 8, 4)];
  const coverage = decideCoverage([late, next, old, later]);
  assert.deepEqual(
    coverage.chunks.map(({ chunk: used }) => used),
    [old, later, next],
  );
  assert.deepEqual([coverage.gaps, coverage.spare], [[], [late]]);
  const compacted = chunk(1, 7, 3, 1);
  assert.deepEqual(decideCoverage([compacted, old, later, next]).spare, [old, later]);
});

test('the index of a chunk with an epoch is that of its name', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const builder = new ChunkBuilder(VDISK, 1, { epoch: 9 });
  builder.add(segment(1, 0, 1));
  await chunks.write(builder.finish());
  const [found] = await chunks.list();
  assert.ok(found !== undefined && found.epoch === 9);
  const { rebuilt, entries } = await chunks.read(found);
  assert.deepEqual([rebuilt, entries.length], [null, 1]);
});
