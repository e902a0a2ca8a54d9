import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { containerOfSegment } from '../../src/naming/container-mapping.ts';
import { collection, compactInt, compactLong, frame, i64, typedFrame, u8, utf } from './byte-writer.ts';
import { metadataTable, type PlannedTree, type SegmentFile, segmentFiles } from './planned-tree.ts';
import { type EntryToWrite, table, tableIndex } from './table-writer.ts';

const EPOCH = 1;
const CONTAINERS = '_system/containers/';
const ACTIVE = 1;
const SEALED = 2;
const ATOMIC = 4;

interface Chunk {
  readonly name: string;
  readonly start: number;
  readonly length: number;
}

/** Writes a tree in the layout of chunked segment storage: everything flushed, one epoch. */
export function writeChunkedTree(root: string, tree: PlannedTree): void {
  mkdirSync(join(root, CONTAINERS), { recursive: true });
  const chunks = new Map(segmentFiles(tree).map((file) => [file, writeChunks(root, file)]));
  for (let container = 0; container < tree.containers; container += 1) {
    const rows: EntryToWrite[] = [];
    for (const [file, chain] of chunks) {
      const owner = file.name.replace('$attributes.index', '');
      if (containerOfSegment(owner, tree.containers) === container) rows.push(...storageRows(file, chain));
    }
    const metadata = table(metadataTable(tree, container));
    const storage = table(rows);
    const own = { startOffset: 0, sealed: false, rollAt: tree.metadataRollAt ?? 700 };
    const system: SegmentFile[] = [
      { name: `${CONTAINERS}metadata_${container}`, bytes: metadata.bytes, ...own },
      { name: `${CONTAINERS}metadata_${container}$attributes.index`, bytes: tableIndex(metadata), ...own },
      { name: `${CONTAINERS}storage_metadata_${container}`, bytes: storage.bytes, ...own },
      {
        name: `${CONTAINERS}storage_metadata_${container}$attributes.index`,
        bytes: tableIndex(storage),
        ...own,
      },
    ];
    writeJournal(root, container, new Map(system.map((file) => [file, writeChunks(root, file)])));
    const epochInfo = frame(compactLong(EPOCH), compactLong(900));
    writeFileSync(join(root, `${CONTAINERS}container_${container}_epoch`), epochInfo);
  }
}

function writeChunks(root: string, { name, bytes, startOffset, rollAt }: SegmentFile): Chunk[] {
  const chain: Chunk[] = [];
  mkdirSync(dirname(join(root, name)), { recursive: true });
  for (let at = 0; at < bytes.length; at += rollAt) {
    const end = Math.min(bytes.length, at + rollAt);
    if (end <= startOffset) continue;
    const chunk = chunkPath(name, EPOCH, at);
    chain.push({ name: chunk, start: at, length: end - at });
    writeFileSync(join(root, chunk), bytes.subarray(at, end));
  }
  return chain;
}

/** The same for the same chunk, so that a tree is always the same. */
export function chunkPath(segment: string, epoch: number, offset: number): string {
  const hex = createHash('md5').update(`${segment} ${epoch} ${offset}`).digest('hex');
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return `${segment}.E-${epoch}-O-${offset}.${id}`;
}

/** The rows of one segment and its chunks, as transactions put them. */
function storageRows(file: SegmentFile, chain: readonly Chunk[]): EntryToWrite[] {
  const rows = [{ key: file.name, value: transactionData(file.name, segmentMetadata(file, chain)) }];
  for (const [index, { name, start, length }] of chain.entries()) {
    rows.push({
      key: name,
      value: transactionData(name, chunkMetadata(name, length, chain[index + 1]?.name ?? null)),
    });
    const block = `${file.name}.B-${start}`;
    const metadata = typedFrame(4, utf(block), utf(name), compactLong(start), compactInt(ACTIVE));
    rows.push({ key: block, value: transactionData(block, metadata) });
  }
  return rows;
}

function transactionData(key: string, metadata: Buffer): Buffer {
  return frame(i64(1_700_000_000_000), utf(key), u8(1), metadata);
}

function chunkMetadata(name: string, length: number, next: string | null): Buffer {
  return typedFrame(2, utf(name), compactLong(length), utf(next), compactInt(ACTIVE));
}

function segmentMetadata(
  { name, bytes, startOffset, sealed, rollAt }: SegmentFile,
  chain: readonly Chunk[],
): Buffer {
  const first = chain[0];
  const last = chain.at(-1);
  return typedFrame(
    3,
    utf(name),
    compactLong(bytes.length),
    compactInt(chain.length),
    compactLong(startOffset),
    compactInt(ACTIVE | ATOMIC | (sealed ? SEALED : 0)),
    compactLong(rollAt),
    utf(first?.name ?? null),
    utf(last?.name ?? null),
    compactLong(0),
    compactLong(first?.start ?? startOffset),
    compactLong(last?.start ?? startOffset),
    compactLong(EPOCH),
  );
}

/** A snapshot of nothing but first chunks, and a journal file that brings everything else. */
function writeJournal(
  root: string,
  container: number,
  system: ReadonlyMap<SegmentFile, readonly Chunk[]>,
): void {
  const snapshots: Buffer[] = [];
  const records: Buffer[] = [];
  for (const [file, chain] of system) {
    const first = chain.slice(0, 1);
    const known = { ...file, bytes: file.bytes.subarray(0, first[0]?.length ?? 0) };
    const chunks = first.map(({ name, length }) => chunkMetadata(name, length, null));
    snapshots.push(frame(segmentMetadata(known, first), collection(chunks)));
    for (const [index, { name, start, length }] of chain.entries()) {
      if (index === 0) continue;
      const old = chain[index - 1]?.name ?? null;
      records.push(typedFrame(1, utf(file.name), utf(name), utf(old), compactLong(start)));
      records.push(typedFrame(5, utf(file.name), utf(name), compactLong(0), compactLong(length)));
    }
  }
  const journal = `${CONTAINERS}_sysjournal.`;
  writeFileSync(
    join(root, `${journal}container${container}.snapshot_info`),
    frame(compactLong(EPOCH), compactLong(1)),
  );
  const snapshot = frame(compactLong(EPOCH), compactInt(1), collection(snapshots));
  writeFileSync(join(root, `${journal}epoch${EPOCH}.container${container}.snapshot1`), snapshot);
  const batches = records.map((record) => frame(collection([record])));
  writeFileSync(join(root, `${journal}epoch${EPOCH}.container${container}.file2`), Buffer.concat(batches));
}
