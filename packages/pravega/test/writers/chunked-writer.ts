import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { collection, compactInt, compactLong, frame, i64, typedFrame, u8, utf } from './byte-writer.ts';
import {
  type Cut,
  metadataTable,
  type PlannedTree,
  placeOf,
  type SegmentFile,
  segmentFiles,
} from './planned-tree.ts';
import { type EntryToWrite, table, tableIndex } from './table-writer.ts';

const EPOCH = 1;
const CONTAINERS = '_system/containers/';
const ACTIVE = 1;
const SEALED = 2;
const ATOMIC = 4;

export interface Chunk {
  readonly name: string;
  readonly epoch?: number;
  readonly start: number;
  readonly length: number;
}

/** Writes a tree in the layout of chunked segment storage: everything flushed, one epoch. */
export function writeChunkedTree(root: string, tree: PlannedTree): void {
  mkdirSync(join(root, CONTAINERS), { recursive: true });
  const chunks = new Map(segmentFiles(tree).map((file) => [file, writeChunks(root, file, tree.cuts)]));
  for (let container = 0; container < tree.containers; container += 1) {
    const rows: EntryToWrite[] = [];
    for (const [file, chain] of chunks) {
      const owner = file.name.replace('$attributes.index', '');
      if (placeOf(owner, tree.containers) === container) rows.push(...storageRows(file, chain));
    }
    rows.push(...(tree.more?.(container).storage ?? []));
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
    writeJournal(root, container, new Map(system.map((file) => [file, writeChunks(root, file, tree.cuts)])));
    const epochInfo = frame(compactLong(EPOCH), compactLong(900));
    writeFileSync(join(root, `${CONTAINERS}container_${container}_epoch`), epochInfo);
  }
}

function writeChunks(root: string, file: SegmentFile, cuts: PlannedTree['cuts'] = uniform): Chunk[] {
  const { name, bytes, startOffset } = file;
  const chain: Chunk[] = [];
  mkdirSync(dirname(join(root, name)), { recursive: true });
  const all = bytes.length === 0 ? [] : cuts(file);
  for (const [index, { at, epoch, surplus }] of all.entries()) {
    const end = all[index + 1]?.at ?? bytes.length;
    if (end <= startOffset) continue;
    const chunk = chunkPath(name, epoch, at);
    chain.push({ name: chunk, epoch, start: at, length: end - at });
    const left = end === bytes.length ? 0 : surplus;
    writeFileSync(join(root, chunk), Buffer.concat([bytes.subarray(at, end), Buffer.alloc(left, 0xee)]));
  }
  return chain;
}

function uniform({ bytes, rollAt }: SegmentFile): Cut[] {
  const cuts: Cut[] = [];
  for (let at = 0; at < bytes.length; at += rollAt) cuts.push({ at, epoch: EPOCH, surplus: 0 });
  return cuts;
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

export function transactionData(key: string, metadata: Buffer): Buffer {
  return frame(i64(1_700_000_000_000), utf(key), u8(1), metadata);
}

export function chunkMetadata(name: string, length: number, next: string | null): Buffer {
  return typedFrame(2, utf(name), compactLong(length), utf(next), compactInt(ACTIVE));
}

export function segmentMetadata(
  { name, bytes, startOffset, sealed, rollAt }: SegmentFile,
  chain: readonly Chunk[],
  status = ACTIVE | ATOMIC,
): Buffer {
  const first = chain[0];
  const last = chain.at(-1);
  return typedFrame(
    3,
    utf(name),
    compactLong(bytes.length),
    compactInt(chain.length),
    compactLong(startOffset),
    compactInt(status | (sealed ? SEALED : 0)),
    compactLong(rollAt),
    utf(first?.name ?? null),
    utf(last?.name ?? null),
    compactLong(0),
    compactLong(first?.start ?? startOffset),
    compactLong(last?.start ?? startOffset),
    compactLong(EPOCH),
  );
}

/**
 * A snapshot of nothing but first chunks, and a journal file that brings the others of its epoch; for each later epoch a file
 * that begins with a snapshot of all that was before. Older ones wait to be collected.
 */
function writeJournal(
  root: string,
  container: number,
  system: ReadonlyMap<SegmentFile, readonly Chunk[]>,
): void {
  const journal = join(root, `${CONTAINERS}_sysjournal.`);
  const epochs = [...system.values()].flat().map(({ epoch = EPOCH }) => epoch);
  writeFileSync(`${journal}container${container}.snapshot_info`, frame(compactLong(EPOCH), compactLong(1)));
  const first = frame(...snapshotOf(EPOCH, system, (_, index) => index === 0));
  writeFileSync(`${journal}epoch${EPOCH}.container${container}.snapshot1`, first);
  for (const old of [`epoch0.container${container}.file1`, `epoch${EPOCH}.container${container}.file1`])
    writeFileSync(`${journal}${old}`, 'not read any more');
  for (const epoch of [...new Set([EPOCH, ...epochs])].sort((a, b) => a - b)) {
    const records = epoch === EPOCH ? [] : [typedFrame(3, ...snapshotOf(epoch, system, isBefore(epoch)))];
    for (const [{ name: segment }, chain] of system)
      for (const [index, { name, start, length, epoch: own = EPOCH }] of chain.entries()) {
        if (index === 0 || own !== epoch) continue;
        const old = chain[index - 1]?.name ?? null;
        records.push(typedFrame(1, utf(segment), utf(name), utf(old), compactLong(start)));
        records.push(typedFrame(5, utf(segment), utf(name), compactLong(0), compactLong(length)));
      }
    const batches = records.map((record) => frame(collection([record])));
    const path = `${journal}epoch${epoch}.container${container}.file${epoch === EPOCH ? 2 : 1}`;
    writeFileSync(path, Buffer.concat(batches));
  }
}

function isBefore(epoch: number): (chunk: Chunk) => boolean {
  return ({ epoch: own = EPOCH }) => own < epoch;
}

function snapshotOf(
  epoch: number,
  system: ReadonlyMap<SegmentFile, readonly Chunk[]>,
  has: (chunk: Chunk, index: number) => boolean,
): Buffer[] {
  const segments = [...system].map(([file, chain]) => {
    const known = chain.filter(has);
    const last = known.at(-1);
    const bytes = file.bytes.subarray(0, last === undefined ? 0 : last.start + last.length);
    const chunks = known.map(({ name, length }) => chunkMetadata(name, length, null));
    return frame(segmentMetadata({ ...file, bytes }, known), collection(chunks));
  });
  return [compactLong(epoch), compactInt(1), collection(segments)];
}
