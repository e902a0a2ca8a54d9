import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import fc from 'fast-check';
import {
  ArchivedImage,
  ArchiveWriter,
  archiveEnd,
  blockChecksum,
  compactLog,
  everyBlock,
  exactPoint,
  ReplayWalk,
  renumbered,
  Tier2Source,
  type VdiskChunks,
  verifyArchive,
} from '../../src/index.ts';
import { chunksIn, storeIn } from '../chunk/log-model.ts';

const BLOCKS = 8;
const SIZE = 16;
const change = fc.record({ block: fc.nat(BLOCKS - 1), fill: fc.nat(9) });
const changes = fc.array(change, { minLength: 1, maxLength: 4 });
type Change = { readonly block: number; readonly fill: number };

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), changes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('backup' as const),
      /** What the archive did not see. */
      unseen: fc.array(change, { maxLength: 5 }),
      /** What was written while blocks were read. */
      during: fc.array(changes, { maxLength: 3 }),
      isFull: fc.boolean(),
    }),
  },
);

interface State {
  readonly sequence: number;
  readonly at: number;
  readonly image: ReadonlyMap<number, number>;
}

/** Segments of a source of their own numbers, as an archive takes them. */
class Source {
  number = 40;
  sequence = 900;
  at = 0;

  segment(writes: readonly Change[]): TlogSegment {
    const first = this.sequence + 1;
    this.sequence += writes.length;
    this.number += 1;
    this.at += 10;
    const parts = writes.map(({ fill }) => (fill === 0 ? Buffer.alloc(0) : Buffer.alloc(SIZE, fill)));
    return {
      ...{ vdisk: 'v1', number: this.number, epoch: 3, generation: 0, kind: 'writes', name: '', first },
      ...{ firstAt: this.at, lastAt: this.at, base: 7, blockSize: SIZE, positions: [] },
      records: writes.map(({ block }, i) => {
        const data = parts[i] ?? Buffer.alloc(0);
        const checksum = data.length === 0 ? 0 : blockChecksum(data);
        return { sequence: first + i, block, length: data.length, checksum };
      }),
      data: Buffer.concat(parts),
    } as TlogSegment;
  }
}

async function restored(chunks: VdiskChunks, upTo: number): Promise<Map<number, number>> {
  const source = await Tier2Source.open(chunks);
  const walk = new ReplayWalk({ vdisk: 'vol1', wanted: everyBlock(BLOCKS), upTo });
  const found = new Map<number, number>();
  for await (const segment of source.newestFirst(upTo + 1)) {
    const { records, gap, isLast } = walk.take(segment);
    assert.equal(gap, null);
    const data = await source.read(segment, records);
    for (const [i, { block }] of records.entries()) found.set(block, data[i]?.[0] ?? 0);
    if (isLast) return nonZero(found);
  }
  assert.equal(walk.end(), null);
  return nonZero(found);
}

function nonZero(image: ReadonlyMap<number, number>): Map<number, number> {
  return new Map([...image].filter(([, fill]) => fill !== 0).toSorted(([a], [b]) => a - b));
}

test('each state that is told is what was there, none within a backup is told, also after a compaction that dies', async (context) => {
  const { store } = await storeIn(context);
  let folder = 100;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 25 }),
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.nat(6),
      async (steps, horizon, points, dies) => {
        const chunks = chunksIn(store, ++folder);
        const mayGoOn = async (): Promise<void> => undefined;
        const writer = new ArchiveWriter({ chunks, end: await archiveEnd(chunks), chunkBytes: 200, mayGoOn });
        const source = new Source();
        const image = new Map<number, number>();
        const states: State[] = [];
        const unclean: number[] = [];
        let base = 1;
        const take = (writes: readonly Change[], exactFrom?: number): void => {
          const segment = source.segment(writes);
          for (const { block, fill } of writes) image.set(block, fill);
          const [numberBy, sequenceBy] = [
            writer.end.number + 1 - segment.number,
            writer.end.sequence + 1 - segment.first,
          ];
          const at = { vdisk: chunks.vdisk, numberBy, sequenceBy, base };
          writer.add(renumbered(segment, exactFrom === undefined ? at : { ...at, exactFrom }));
        };
        const remember = (): void => {
          states.push({ sequence: writer.end.sequence, at: source.at, image: nonZero(image) });
        };
        const backUp = async (
          unseen: readonly Change[],
          during: readonly (readonly Change[])[],
          isFull: boolean,
        ): Promise<void> => {
          source.at += 10;
          const before = nonZero(image);
          for (const { block, fill } of unseen) image.set(block, fill);
          if (isFull) base = writer.end.sequence + 1;
          const sent = [...image].filter(
            ([block, fill]) =>
              (isFull ? fill : (before.get(block) ?? 0) !== fill) !== false && (!isFull || fill > 0),
          );
          const as = { epoch: 3, at: source.at, base, blockSize: SIZE };
          for (const [block, fill] of sent) {
            writer.addCompared([{ block, data: fill === 0 ? null : Buffer.alloc(SIZE, fill) }], as);
          }
          await writer.flush();
          if (sent.length > 0) unclean.push(writer.end.sequence);
          for (const [i, writes] of during.entries()) {
            const last = writer.end.sequence + writes.length;
            const isEnd = i === during.length - 1;
            take(writes, isEnd ? last : last + 1);
            if (!isEnd) unclean.push(last);
          }
          if (during.length === 0) {
            writer.addMark(as);
            const end = writer.end.sequence;
            if (unclean.at(-1) === end) unclean.pop();
          }
          remember();
        };
        await backUp([{ block: 0, fill: 1 }], [], true);
        for (const each of steps) {
          if (each.kind === 'flush') await writer.flush();
          else if (each.kind === 'backup') await backUp(each.unseen, each.during, each.isFull);
          else {
            take(each.changes);
            remember();
          }
          if (writer.isDue) await writer.flush();
        }
        await writer.flush();
        assert.deepEqual(await archiveEnd(chunks), writer.stored);
        const opened = await Tier2Source.open(chunks);
        const blocks = Array.from({ length: BLOCKS }, (_, i) => i);
        const held = await new ArchivedImage(opened, SIZE).read(blocks);
        assert.deepEqual(
          nonZero(new Map(held.map((data, block) => [block, data?.[0] ?? 0]))),
          states.at(-1)?.image,
        );
        for (const { sequence, image: expected } of states)
          assert.deepEqual(await restored(chunks, sequence), expected);
        for (const sequence of unclean.filter((each) => !states.some((state) => state.sequence === each)))
          await assert.rejects(restored(chunks, sequence), { code: 'not-restorable' });
        // Of equal times the newest state counts.
        const times = [...new Map(states.map((state) => [state.at, state])).values()];
        const horizonAt = times[horizon % times.length]?.at ?? 0;
        const pointsAt = points.map((place) => times[place % times.length]?.at ?? 0);
        let left = dies;
        const options = { chunks, after: 0, horizonAt, pointsAt, snapshots: [], chunkBytes: 300 };
        // It may die at each of its changes.
        const dying = async (): Promise<void> => {
          left -= 1;
          if (left < 0) throw new Error('killed');
        };
        await compactLog({ ...options, mayGoOn: dying }).catch((error: unknown) =>
          assert.equal(String(error), 'Error: killed'),
        );
        for (const isWhole of [false, true]) {
          if (isWhole) await compactLog({ ...options, mayGoOn });
          for (const { at, sequence, image: expected } of times)
            if (at >= horizonAt || pointsAt.includes(at)) {
              const found = await exactPoint('vol1', await Tier2Source.open(chunks), { kind: 'time', at });
              assert.equal(found.sequence, sequence);
              assert.deepEqual(await restored(chunks, sequence), expected);
            }
        }
        const { findings } = await verifyArchive({
          ...{ chunks, after: 0, tail: null, archivedTo: writer.stored.number },
          progress: async () => undefined,
        });
        assert.deepEqual(
          findings.filter(({ kind }) => kind !== 'leftover'),
          [],
        );
      },
    ),
    { numRuns: Number(process.env.SALVOR_ARCHIVE_WRITER_RUNS ?? 10), endOnFailure: true },
  );
});

test('a segment that is not the next one is refused, and nothing of it is stored', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store, 1);
  const mayGoOn = async (): Promise<void> => undefined;
  const writer = new ArchiveWriter({ chunks, end: await archiveEnd(chunks), chunkBytes: 1, mayGoOn });
  const source = new Source();
  const first = renumbered(source.segment([{ block: 1, fill: 1 }]), {
    ...{ vdisk: chunks.vdisk, numberBy: -40, sequenceBy: -900, base: 1 },
  });
  writer.add(first);
  const next = {
    ...first,
    number: 2,
    first: 2,
    records: first.records.map((each) => ({ ...each, sequence: 2 })),
  };
  const wrong: TlogSegment[] = [
    first,
    { ...next, number: 3 },
    { ...next, first: 3, records: next.records.map((each) => ({ ...each, sequence: 3 })) },
    { ...next, covers: { number: 1, first: 2, exactFrom: 2 } },
    { ...next, covers: { number: 2, first: 1, exactFrom: 2 } },
  ];
  for (const segment of wrong) assert.throws(() => writer.add(segment), { code: 'bad-segment' });
  writer.add(next);
  await writer.flush();
  assert.deepEqual(await archiveEnd(chunks), { number: 2, sequence: 2 });
});
