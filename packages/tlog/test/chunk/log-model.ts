import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import fc from 'fast-check';
import {
  blockChecksum,
  ChunkBuilder,
  type FoundChunk,
  type LogSource,
  openDirectoryStore,
  type SegmentIndex,
  type Tier2Store,
  VdiskChunks,
} from '../../src/index.ts';
import { segmentIndexOf } from '../../src/segment-index.ts';

export const BLOCK = 64;
export const VDISK = 'v:1';

/** What happens to a log: changes of blocks (0 as fill: deleted), or a mark. */
export type Step =
  | { readonly changes: readonly { block: number; fill: number }[] }
  | { readonly mark: string };

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      changes: fc.array(fc.record({ block: fc.nat(9), fill: fc.nat(5) }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ mark: fc.constantFrom('begin', 'snap') }) },
);

/** A segment for each step, numbered from 1. */
export function logOf(steps: readonly Step[]): TlogSegment[] {
  let sequence = 1;
  return steps.map((step, i) => {
    const changes = 'changes' in step ? step.changes : [];
    const first = sequence;
    sequence += changes.length;
    const bytesOf = (fill: number, at: number): Buffer => Buffer.alloc(BLOCK, `${fill}:${first + at};`);
    return {
      ...{ vdisk: VDISK, number: i + 1, epoch: 7, generation: 0, first, base: 1, blockSize: BLOCK },
      kind: 'changes' in step ? 'writes' : step.mark === 'begin' ? 'begin' : 'snapshot',
      name: 'mark' in step && step.mark !== 'begin' ? step.mark : '',
      firstAt: 1_000 + i,
      lastAt: 1_000 + i,
      positions: [{ shard: 0, batch: i }],
      records: changes.map(({ block, fill }, at) => ({
        sequence: first + at,
        block,
        length: fill === 0 ? 0 : BLOCK,
        checksum: fill === 0 ? 0 : blockChecksum(bytesOf(fill, at)),
      })),
      data: Buffer.concat(changes.map(({ fill }, at) => (fill === 0 ? Buffer.alloc(0) : bytesOf(fill, at)))),
    };
  });
}

export async function storeIn(context: TestContext): Promise<{ store: Tier2Store; root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-chunks-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  return { root, store: await openDirectoryStore({ root }) };
}

export function chunksIn(store: Tier2Store, folder = 1): VdiskChunks {
  return new VdiskChunks(store, folder, VDISK);
}

/** Stores segments as one chunk. */
export async function archive(chunks: VdiskChunks, segments: readonly TlogSegment[]): Promise<FoundChunk> {
  const builder = new ChunkBuilder(VDISK, segments[0]?.number ?? 1);
  for (const segment of segments) builder.add(segment);
  return chunks.write(builder.finish());
}

/** Segments as a reader sees them, with the bytes of their blocks. */
export async function contents(
  source: LogSource,
  segments: AsyncIterable<SegmentIndex>,
): Promise<{ number: number; blocks: [number, string][] }[]> {
  const found: { number: number; blocks: [number, string][] }[] = [];
  for await (const segment of segments) {
    const data = await source.read(segment, segment.records);
    const blocks = segment.records.map((record, i): [number, string] => [record.sequence, String(data[i])]);
    found.push({ number: segment.number, blocks });
  }
  return found;
}

export function contentsOf(log: readonly TlogSegment[]): { number: number; blocks: [number, string][] }[] {
  return log.map((segment) => {
    let at = 0;
    const blocks = segment.records.map(({ sequence, length }): [number, string] => {
      at += length;
      return [sequence, String(segment.data.subarray(at - length, at))];
    });
    return { number: segment.number, blocks };
  });
}

/** A tail that holds these segments. */
export function tailOf(log: readonly TlogSegment[]): LogSource {
  const indexes = log.map((segment): [SegmentIndex, TlogSegment] => [segmentIndexOf(segment), segment]);
  const segments = new Map(indexes);
  return {
    async *newestFirst(upTo = Number.MAX_SAFE_INTEGER) {
      for (const [index] of [...indexes].reverse()) if (index.first <= upTo) yield index;
    },
    newestNumber: async () => indexes.at(-1)?.[0].number ?? 0,
    async *oldestFirst(from = 1) {
      for (const [index] of indexes) if (Math.max(index.first, index.last) >= from) yield index;
    },
    read: async (index, records) => {
      const segment = segments.get(index);
      if (segment === undefined) throw new Error('not mine');
      return records.map(({ at, length }) => segment.data.subarray(at, at + length));
    },
    close: async () => undefined,
  };
}

/** Alters a stored file. */
export async function damage(root: string, path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(join(root, path), change(await readFile(join(root, path))));
}
