/** Archives of one volume in a folder, and the records of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ArchiveNews, type ArchiveRecord, archiveSchema, decideArchive } from '@salvor/config-store';
import {
  type AppendableStore,
  ArchivedImage,
  ArchiveWriter,
  archiveEnd,
  openDirectoryStore,
  ReplayWindow,
  Tier2Source,
  VdiskChunks,
} from '@salvor/tlog';
import type { ArchiveWork } from '../../src/archives/archive-work.ts';
import { BLOCK } from '../segments.ts';

export const BLOCKS = 8;

/** One that follows zone north and holds what it has from record 1 on. */
export function followingRecord(change: Partial<ArchiveRecord> = {}): ArchiveRecord {
  return archiveSchema.parse({
    ...{ archive: 'a', volume: 'vol1', role: 'primary', source: { kind: 'zone', zone: 'north' } },
    ...{ phase: 'following', reason: 'it follows', generation: 1, history: 'a:1', base: 1 },
    ...{ sizeBytes: BLOCKS * BLOCK, blockSize: BLOCK, changedAt: 1 },
    retention: { everyStateMs: 1_000_000, points: 0, pointEveryMs: 1_000 },
    ...change,
  });
}

/** A copy of archive a. */
export function copyRecord(change: Partial<ArchiveRecord> = {}): ArchiveRecord {
  const source = { kind: 'archive' as const, archive: 'a' };
  return followingRecord({ archive: 'b', role: 'secondary', source, history: null, base: 0, ...change });
}

export async function storeIn(context: TestContext): Promise<AppendableStore> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-archives-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  return openDirectoryStore({ root });
}

export function chunksOf(store: AppendableStore, archive: number): VdiskChunks {
  return new VdiskChunks(store, archive, 'v1');
}

export async function writerOf(chunks: VdiskChunks): Promise<ArchiveWriter> {
  const end = await archiveEnd(chunks);
  return new ArchiveWriter({ chunks, end, chunkBytes: 1 << 20, mayGoOn: async () => undefined });
}

/** What is found out is decided at once, and kept in `records`. */
export function workOf(
  chunks: VdiskChunks,
  writer: ArchiveWriter,
  records: Map<string, ArchiveRecord>,
  archive: string,
): ArchiveWork {
  const tell = async (news: ArchiveNews): Promise<ArchiveRecord> => {
    const record = records.get(archive);
    if (record === undefined) throw new Error(`there is no archive ${archive}`);
    const others = [...records.values()].filter((each) => each !== record);
    const { next = record, others: changed = [] } = decideArchive(record, news, others, 2);
    for (const each of [next, ...changed]) records.set(each.archive, each);
    return next;
  };
  const signal = new AbortController().signal;
  return { chunks, writer, window: new ReplayWindow(), maxAgeMs: 1, signal, tell };
}

/** First byte of each block; 0: zeros. */
export async function contentOf(chunks: VdiskChunks): Promise<number[]> {
  const image = new ArchivedImage(await Tier2Source.open(chunks), BLOCK);
  const blocks = await image.read(Array.from({ length: BLOCKS }, (_, i) => i));
  return blocks.map((each) => each?.[0] ?? 0);
}
