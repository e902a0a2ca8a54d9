/**
 * Reader of chunked segment storage (`io.pravega.segmentstore.storage.chunklayer.ChunkedSegmentStorage`, the default since
 * Pravega 0.10).
 */
import { FormatError } from '../format/format-error.ts';
import type { ContainerRows, Layout } from '../layout.ts';
import { forgetEndedTransactions } from '../merge/ended-transactions.ts';
import { type MetadataRows, readMetadataRows } from '../metadata-rows.ts';
import { parseChunkName } from '../naming/chunk-name.ts';
import { findContainers } from '../naming/container-traces.ts';
import {
  ATTRIBUTE_SUFFIX,
  CONTAINER_FOLDER,
  metadataSegment,
  storageMetadataSegment,
  transactionParent,
} from '../naming/segment-name.ts';
import { readSegmentInfo } from '../records/segment-info.ts';
import {
  type ChunkRow,
  readStorageRow,
  type SegmentRow,
  type StorageMetadata,
} from '../records/storage-metadata.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';
import type { TableEntry } from '../table/entry-scan.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { type ChainLink, storedSegment } from './chain.ts';
import { chunksBySegment } from './chunk-list.ts';
import { extendFromOrphans } from './orphans.ts';
import { findJournals, isJournalFile, readSystemJournal } from './system-journal.ts';
import { type SystemSegment, systemSegment, systemSegmentNames } from './system-segments.ts';
import { trimExtension } from './trim-extension.ts';

/** Rows under such keys are of ReadIndexBlockMetadata: a cache, which is of no use here. */
const READ_INDEX_BLOCK_KEY = /\.B-\d{1,19}$/;

export async function readChunkedLayout(files: TreeFiles): Promise<Layout> {
  const chunks = chunksBySegment(files, (path) => path.startsWith(CONTAINER_FOLDER));
  const journals = findJournals(files.paths());
  const segments = new Map<string, StoredSegment>();
  const gone = new Map<string, string>();
  const containers = new Map<number, ContainerRows>();
  for (const container of findContainers(files.paths())) {
    const journalFiles = journals.get(container);
    const journal = journalFiles && (await readSystemJournal(files, container, journalFiles));
    for (const name of systemSegmentNames(container)) {
      const system = systemSegment(files, name, chunks.get(name) ?? [], journal);
      if (system !== undefined) segments.set(name, await wholeOf(files, system));
    }
    const metadata = await readMetadataRows(files, {
      container,
      segments,
      name: metadataSegment(container),
      decode: readSegmentInfo,
      isNeverEmpty: true,
    });
    const storage = await readMetadataRows(files, {
      container,
      segments,
      name: storageMetadataSegment(container),
      decode: readStorageRow,
      ignores: isReadIndexBlock,
    });
    readChains(files, storage, segments, gone);
    containers.set(container, { metadata });
  }
  forgetMerged(segments, gone);
  reportForeign(files);
  await extendFromOrphans({ files, segments, gone, containers });
  for (const { metadata } of containers.values()) forgetEndedTransactions(metadata.rows, segments, gone);
  return { name: 'chunked', segments, containers, gone };
}

/** What is behind the end that the journal knows is taken up to the last whole entry, or valid tree. */
async function wholeOf(files: TreeFiles, { stored, knownEnd }: SystemSegment): Promise<StoredSegment> {
  if (dataEnd(stored) <= knownEnd) return stored;
  const whole = await trimExtension(files, stored, knownEnd, { rowOf: () => undefined, stored: new Map() });
  if (dataEnd(whole) === dataEnd(stored)) return whole;
  // Newer rows may be in what is left out, or it is the file of another segment.
  return { ...whole, doubts: { ...whole.doubts, length: 'its file goes on with what is no whole entry' } };
}

/** Follows the rows from each segment to its chunks. */
function readChains(
  files: TreeFiles,
  { rows, removed, isWhole }: MetadataRows<StorageMetadata>,
  segments: Map<string, StoredSegment>,
  gone: Map<string, string>,
): void {
  const doubt = isWhole ? undefined : 'storage metadata of the container is damaged';
  for (const name of removed) gone.set(name, 'the storage metadata has its removal');
  for (const row of rows.values()) {
    if (row.kind === 'chunk' && !row.active) gone.set(row.name, 'the storage metadata has it as deleted');
    if (row.kind !== 'segment') continue;
    if (!row.active) {
      gone.set(row.name, 'the storage metadata has it as deleted');
      continue;
    }
    const { links, problem } = chainOf(row, rows);
    if (problem !== undefined) files.findings.damage('bad-row', problem, { segment: row.name });
    const length = problem ?? doubt;
    const stored = storedSegment(files, links, {
      name: row.name,
      startOffset: row.startOffset,
      sealed: row.sealed,
      recordedLength: row.length,
      ...(length === undefined
        ? {}
        : {
            doubts: {
              length,
              ...(doubt === undefined
                ? {}
                : { startOffset: doubt, existence: doubt, ...(row.sealed ? {} : { sealed: doubt }) }),
            },
          }),
    });
    segments.set(row.name, stored);
  }
}

/** Chunks keep the names of the transaction that they came with: one whose chunks are in its parent's chain was merged. */
function forgetMerged(segments: Map<string, StoredSegment>, gone: Map<string, string>): void {
  for (const { name, extents, merged } of [...segments.values()]) {
    if (merged.length === 0) continue;
    for (const { path } of extents) {
      const source = parseChunkName(path)?.segment;
      if (source === undefined || source === name || transactionParent(source) !== name) continue;
      for (const each of [source, source + ATTRIBUTE_SUFFIX]) {
        segments.delete(each);
        gone.set(each, 'its chunks are in the chain of its parent: it was merged');
      }
    }
  }
}

/** The chunk rows that follow one another. What does not fit ends the chain there, and is told. */
function chainOf(
  row: SegmentRow,
  rows: ReadonlyMap<string, StorageMetadata>,
): { readonly links: ChainLink[]; readonly problem?: string } {
  const links: ChainLink[] = [];
  const visited = new Set<string>();
  let start = row.firstChunkStart;
  for (let name = row.firstChunk; name !== null; ) {
    if (visited.has(name)) return { links, problem: `the chain of chunks comes back to ${name}` };
    visited.add(name);
    const chunk: ChunkRow | undefined = chunkOf(rows.get(name));
    if (chunk === undefined)
      return { links, problem: `the chain of chunks ends at ${start}: there is no row of ${name}` };
    const isTooLong = start + chunk.length > row.length;
    links.push({ path: name, start, length: isTooLong ? row.length - start : chunk.length });
    if (isTooLong)
      return {
        links,
        problem: `the chunks go on to ${start + chunk.length}, beyond the length ${row.length}`,
      };
    start += chunk.length;
    name = chunk.nextChunk;
  }
  if (links.length !== row.chunkCount)
    return { links, problem: `expected ${row.chunkCount} chunks, found a chain of ${links.length}` };
  if (start !== row.length && links.length > 0)
    return { links, problem: `expected chunks up to ${row.length}, found them up to ${start}` };
  return { links };
}

function chunkOf(row: StorageMetadata | undefined): ChunkRow | undefined {
  return row?.kind === 'chunk' ? row : undefined;
}

function isReadIndexBlock({ key, value }: TableEntry): boolean {
  if (value === null || !READ_INDEX_BLOCK_KEY.test(key.toString('latin1', Math.max(0, key.length - 24))))
    return false;
  try {
    return readStorageRow(key.toString('utf8'), value)?.kind === 'read-index-block';
  } catch (error) {
    // It is reported when it is read as a row.
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function reportForeign(files: TreeFiles): void {
  for (const path of files.paths()) {
    if (isJournalFile(path) || /\.E-\d{1,19}-O-\d{1,19}\.[0-9a-f-]{36}$/.test(path)) continue;
    files.findings.note('foreign-file', 'the file is no part of the layout', { path });
  }
}
