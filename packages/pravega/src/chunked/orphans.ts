/** Chunk files that no chain has: adopted where they provably continue a segment, else reported and left alone. */
import type { ContainerRows } from '../layout.ts';
import { parseChunkName } from '../naming/chunk-name.ts';
import { ATTRIBUTE_SUFFIX, isAttributeIndex, isInternal, transactionParent } from '../naming/segment-name.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';
import { type Extent, SegmentBytes } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { type ChainLink, storedSegment } from './chain.ts';
import { chunksBySegment, type NamedChunk } from './chunk-list.ts';
import { decideExtension } from './decide-extension.ts';
import { trimExtension } from './trim-extension.ts';

const MAX_CANDIDATES = 8;

export interface ChunkedReading {
  readonly files: TreeFiles;
  /** Is extended in place. */
  readonly segments: Map<string, StoredSegment>;
  readonly gone: ReadonlyMap<string, string>;
  readonly containers: ReadonlyMap<number, ContainerRows>;
}

export async function extendFromOrphans(reading: ChunkedReading): Promise<void> {
  const { files, segments } = reading;
  const knownEnds = new Map<string, number>();
  const used = new Set<string>();
  const fenced = fencedSegments(files, segments);
  for (const stored of segments.values()) {
    const longer = withSurplus(files, stored, fenced);
    if (longer !== stored) {
      knownEnds.set(stored.name, dataEnd(stored));
      segments.set(stored.name, longer);
    }
    for (const { path } of longer.extents) used.add(path);
  }
  const orphans = chunksBySegment(files, (path) => !used.has(path));
  used.clear();
  for (const [name, all] of orphans) {
    const some = uncollected(reading, all);
    if (some.length === 0) continue;
    const stored = segments.get(name);
    if (!knownEnds.has(name)) knownEnds.set(name, stored === undefined ? 0 : dataEnd(stored));
    await placeOrphans(reading, name, some);
  }
  for (const [name, knownEnd] of knownEnds) {
    const stored = segments.get(name);
    if (stored === undefined || dataEnd(stored) <= knownEnd) continue;
    const trimmed = await trimExtension(files, stored, knownEnd, {
      rowOf: (segment) => rowOf(reading, segment),
      stored: segments,
    });
    segments.set(stored.name, trimmed);
  }
}

/** Without those that the storage metadata itself knows to be deleted: truncated, moved into another chunk, or aborted. */
function uncollected({ files, gone }: ChunkedReading, chunks: readonly NamedChunk[]): NamedChunk[] {
  return chunks.filter(({ path, segment }) => {
    const why = gone.get(path);
    if (why === undefined) return true;
    files.findings.note('deleted-segment', `the chunk waits to be collected: ${why}`, { segment, path });
    return false;
  });
}

async function placeOrphans(
  reading: ChunkedReading,
  name: string,
  orphans: readonly NamedChunk[],
): Promise<void> {
  const { files, segments, gone } = reading;
  const stored = segments.get(name);
  const owner = isAttributeIndex(name) ? name.slice(0, -ATTRIBUTE_SUFFIX.length) : name;
  const deleted = gone.get(owner) ?? (stored === undefined ? gone.get(name) : undefined);
  // What truncation left of the containers' own segments, or a flush replaced, waits to be collected.
  if (isInternal(name) && stored !== undefined && orphans.every(({ offset }) => offset < dataEnd(stored)))
    return;
  if (deleted !== undefined || isRemoved(reading, owner)) {
    const message = deleted ?? 'the metadata has its removal';
    for (const { path } of orphans)
      files.findings.note('deleted-segment', `a file of a segment that is gone: ${message}`, {
        segment: name,
        path,
      });
    return;
  }
  const isKnown = stored !== undefined || rowOf(reading, owner) !== undefined;
  if (!isKnown && transactionParent(owner) !== undefined) {
    const reason = 'its transaction is not known, and its place in the parent cannot be told from its name';
    for (const { path } of orphans) quarantine(files, name, path, reason);
    return;
  }
  await extend(reading, name, stored ?? begun(files, name, orphans, isKnown), orphans);
}

async function extend(
  { files, segments }: ChunkedReading,
  name: string,
  stored: StoredSegment,
  orphans: readonly NamedChunk[],
): Promise<void> {
  const lastPath = stored.extents.at(-1)?.path;
  const first = stored.missing[0];
  const prefixes = await comparePrefixes(files, orphans);
  const { adopted, front, quarantined } = decideExtension(
    {
      // A chunk that is missing at the end leaves its place.
      end: Math.max(dataEnd(stored), stored.recordedLength ?? 0),
      epoch: (lastPath === undefined ? undefined : parseChunkName(lastPath)?.epoch) ?? 0,
      sealed: stored.sealed && !isAttributeIndex(name),
      missingFront:
        first !== undefined && first.from <= (stored.extents[0]?.at ?? Infinity) ? first : undefined,
    },
    orphans,
    (shorter, longer) => prefixes.has(`${shorter.path}\n${longer.path}`),
  );
  for (const { chunk, reason } of quarantined) {
    if (chunk.offset + chunk.sizeBytes <= stored.startOffset) {
      const message = 'the chunk was truncated, and waits to be collected';
      files.findings.note('deleted-segment', message, { segment: name, path: chunk.path });
    } else quarantine(files, name, chunk.path, reason);
  }
  const toExtent = ({ path, offset, sizeBytes }: NamedChunk): Extent => ({
    at: offset,
    length: sizeBytes,
    path,
    fileOffset: 0,
  });
  const extents = [
    ...(front === undefined ? [] : [toExtent(front)]),
    ...stored.extents,
    ...adopted.map(toExtent),
  ];
  if (extents.length === 0) return;
  segments.set(name, {
    ...stored,
    extents,
    startOffset: Math.max(stored.startOffset, front?.offset ?? 0),
    missing: front === undefined ? stored.missing : stored.missing.slice(1),
  });
}

/** A segment of which there is no row: it begins with its first chunk. */
function begun(
  files: TreeFiles,
  name: string,
  orphans: readonly NamedChunk[],
  isKnown: boolean,
): StoredSegment {
  const startOffset = Math.min(...orphans.map(({ offset }) => offset));
  const doubt = 'no storage metadata names the segment; its chunks were put together by their names';
  const links: ChainLink[] = [];
  return storedSegment(files, links, {
    name,
    startOffset,
    sealed: false,
    recordedLength: null,
    doubts: { length: doubt, startOffset: doubt, sealed: doubt, ...(isKnown ? {} : { existence: doubt }) },
  });
}

/** Of segments with surplus bytes: those at whose end an owner of a later epoch began a chunk. */
function fencedSegments(files: TreeFiles, segments: ReadonlyMap<string, StoredSegment>): Set<string> {
  const ends = new Map<string, { readonly at: number; readonly epoch: number }>();
  for (const stored of segments.values()) {
    const last = stored.extents.at(-1);
    if (last === undefined || surplusOf(files, last) <= 0) continue;
    ends.set(stored.name, { at: last.at + last.length, epoch: parseChunkName(last.path)?.epoch ?? 0 });
  }
  const fenced = new Set<string>();
  if (ends.size === 0) return fenced;
  for (const path of files.paths()) {
    const name = parseChunkName(path);
    const end = name && ends.get(name.segment);
    if (name === undefined || end === undefined || (files.file(path)?.sizeBytes ?? 0) === 0) continue;
    if (name.offset === end.at && name.epoch > end.epoch) fenced.add(name.segment);
  }
  return fenced;
}

function surplusOf(files: TreeFiles, { path, fileOffset, length }: Extent): number {
  return (files.file(path)?.sizeBytes ?? 0) - fileOffset - length;
}

/**
 * A last file that is longer than its metadata knows has what a writer had copied before the metadata was saved. Not so where
 * an owner of a later epoch began a chunk at that end: then it is what the earlier owner left when it was fenced out.
 */
function withSurplus(files: TreeFiles, stored: StoredSegment, fenced: ReadonlySet<string>): StoredSegment {
  const last = stored.extents.at(-1);
  if (last === undefined || (stored.sealed && !isAttributeIndex(stored.name))) return stored;
  // Bytes are only ever missing at the end of the last chunk if they are missing behind its data.
  if (stored.missing.some(({ to }) => to > last.at + last.length)) return stored;
  const surplus = surplusOf(files, last);
  if (surplus <= 0) return stored;
  const end = last.at + last.length;
  if (fenced.has(stored.name)) {
    const message =
      'bytes behind the end that a later epoch found are left out: an owner that was fenced out left them';
    files.findings.note('quarantined-chunk', message, {
      segment: stored.name,
      path: last.path,
      from: end,
      to: end + surplus,
    });
    return stored;
  }
  const extents = [...stored.extents.slice(0, -1), { ...last, length: last.length + surplus }];
  return { ...stored, extents };
}

/** Pairs of orphans at one offset of which the first is the beginning of the second. */
async function comparePrefixes(files: TreeFiles, orphans: readonly NamedChunk[]): Promise<Set<string>> {
  const pairs = new Set<string>();
  const inOrder = [...orphans].sort((a, b) => a.offset - b.offset || a.epoch - b.epoch);
  for (const [index, shorter] of inOrder.entries()) {
    // A segment is taken over once an epoch: more candidates than these are not told apart.
    for (const longer of inOrder.slice(index + 1, index + 1 + MAX_CANDIDATES)) {
      if (shorter.offset !== longer.offset) break;
      const length = shorter.sizeBytes;
      if (shorter.epoch === longer.epoch || length > longer.sizeBytes) continue;
      const [a, b] = await Promise.all([shorter, longer].map(({ path }) => hashOf(files, path, length)));
      if (a !== null && a === b) pairs.add(`${shorter.path}\n${longer.path}`);
    }
  }
  return pairs;
}

function hashOf(files: TreeFiles, path: string, length: number): Promise<string | null> {
  return new SegmentBytes(files, [{ at: 0, length, path, fileOffset: 0 }]).sha256(0, length);
}

function rowOf({ containers }: ChunkedReading, name: string): SegmentInfo | undefined {
  for (const { metadata } of containers.values()) {
    const row = metadata.rows.get(name);
    if (row !== undefined) return row;
  }
  return undefined;
}

function isRemoved({ containers }: ChunkedReading, name: string): boolean {
  return [...containers.values()].some(
    ({ metadata }) => metadata.removed.has(name) && !metadata.rows.has(name),
  );
}

function quarantine(files: TreeFiles, segment: string, path: string, reason: string): void {
  files.findings.damage('quarantined-chunk', `the chunk is in no chain, and is left out: ${reason}`, {
    segment,
    path,
  });
}
