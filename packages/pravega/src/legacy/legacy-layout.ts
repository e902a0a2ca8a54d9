/**
 * Reader of rolling storage (`io.pravega.segmentstore.storage.rolling.RollingStorage` over
 * `io.pravega.storage.filesystem.FileSystemStorage`, the layout before Pravega 0.10).
 */
import type { ContainerRows, Layout } from '../layout.ts';
import { forgetEndedTransactions } from '../merge/ended-transactions.ts';
import { readMetadataRows } from '../metadata-rows.ts';
import { findContainers } from '../naming/container-traces.ts';
import {
  ATTRIBUTE_SUFFIX,
  isNamedLikeSegment,
  metadataSegment,
  transactionParent,
} from '../naming/segment-name.ts';
import { readSegmentInfo } from '../records/segment-info.ts';
import type { StoredSegment } from '../stored-segment.ts';
import { SegmentBytes } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { MAX_HEADER_BYTES, parseHeader } from './header.ts';
import { rolledSegment } from './rolled-segment.ts';
import { lostModes } from './seal-modes.ts';

const HEADER_SUFFIX = '$header';
/** What `FileSystemStorage.replace` leaves when it is interrupted. */
const REPLACEMENT_SUFFIX = '$header.replace.tmp';
const PART_OF_SEGMENT = /\$(?:header|offset\.\d{1,19})$/;
const CHUNK_FILE = /^(.*)\$offset\.\d{1,19}$/s;

export async function readLegacyLayout(files: TreeFiles): Promise<Layout> {
  const segments = new Map<string, StoredSegment>();
  const gone = new Map<string, string>();
  const used = new Set<string>();
  const modes = lostModes(files);
  if (modes !== undefined) files.findings.damage('uncertain-fact', `${modes}; only metadata tells of seals`);
  for (const path of headerPaths(files)) {
    const name = path.replace(REPLACEMENT_SUFFIX, '').replace(/\$header$/, '');
    if (PART_OF_SEGMENT.test(name)) {
      files.findings.damage('foreign-file', 'a header of what is itself a part of a segment', { path });
      continue;
    }
    const stored = await readSegment(files, { name, path, modes, used });
    if (stored !== undefined) segments.set(name, stored);
  }
  await forgetMerged(files, segments, gone);

  const containers = new Map<number, ContainerRows>();
  for (const container of findContainers(files.paths())) {
    const name = metadataSegment(container);
    const table = { container, segments, name, decode: readSegmentInfo, isNeverEmpty: true };
    const metadata = await readMetadataRows(files, table);
    containers.set(container, { metadata });
    forgetEndedTransactions(metadata.rows, segments, gone);
  }
  readLeftFiles(files, segments, containers, used);
  return { name: 'legacy', segments, containers, gone };
}

function* headerPaths(files: TreeFiles): Generator<string> {
  for (const path of files.paths()) {
    if (path.endsWith(HEADER_SUFFIX)) yield path;
    else if (path.endsWith(REPLACEMENT_SUFFIX)) {
      const replaced = path.slice(0, -'.replace.tmp'.length);
      if (files.file(replaced) === undefined) yield path;
    }
  }
}

interface FoundHeader {
  readonly name: string;
  readonly path: string;
  /** Why modes tell nothing. */
  readonly modes: string | undefined;
  /** Files that a header names: those of this one are added. */
  readonly used: Set<string>;
}

async function readSegment(
  files: TreeFiles,
  { name, path, modes, used }: FoundHeader,
): Promise<StoredSegment | undefined> {
  const { findings } = files;
  const file = files.file(path);
  const bytes = await files.read(path, 0, MAX_HEADER_BYTES);
  // A segment is created with its header: as long as that is empty, there is none.
  if (file === undefined || file.sizeBytes === 0) return undefined;
  const { chunks, problem } = parseHeader(bytes.toString('utf8'));
  if (problem !== undefined)
    findings.damage('bad-header', `the header is damaged: ${problem}`, { segment: name, path });
  for (const chunk of chunks) used.add(chunk.path);
  return rolledSegment(files, { name, chunks, sealed: !file.isOwnerWritable, modes, headerProblem: problem });
}

/**
 * A merge that was interrupted leaves the header of the transaction, while its chunks are the parent's already; or all of
 * the transaction, while its bytes were already appended to the parent.
 */
async function forgetMerged(
  files: TreeFiles,
  segments: Map<string, StoredSegment>,
  gone: Map<string, string>,
): Promise<void> {
  for (const [name, transaction] of segments) {
    const parent = segments.get(transactionParent(name) ?? '');
    if (parent === undefined) continue;
    const own = new Set(transaction.extents.map(({ path }) => path));
    const hasChunks = parent.extents.some(({ path }) => own.has(path));
    if (!hasChunks && !(await endsWith(files, parent, transaction))) continue;
    const message = hasChunks
      ? 'the chunks of the transaction are in the chain of its parent: it was merged'
      : 'its parent ends with all of its bytes: it was merged';
    files.findings.note('deleted-segment', message, { segment: name });
    for (const merged of [name, name + ATTRIBUTE_SUFFIX]) {
      segments.delete(merged);
      gone.set(merged, message);
    }
  }
}

/** Whether the last bytes of the parent are those of the transaction, from its first to its last. */
async function endsWith(
  files: TreeFiles,
  parent: StoredSegment,
  transaction: StoredSegment,
): Promise<boolean> {
  const [long, short] = [parent, transaction].map(({ extents }) => new SegmentBytes(files, extents));
  if (long === undefined || short === undefined || short.end === 0 || long.end - long.start < short.end)
    return false;
  const wanted = await short.sha256(0, short.end);
  return wanted !== null && wanted === (await long.sha256(long.end - short.end, long.end));
}

/** Files that no header names: segments of one file, without a header; chunks of nobody; and what does not belong here. */
function readLeftFiles(
  files: TreeFiles,
  segments: Map<string, StoredSegment>,
  containers: ReadonlyMap<number, ContainerRows>,
  used: ReadonlySet<string>,
): void {
  const named = (name: string) => [...containers.values()].some(({ metadata }) => metadata.rows.has(name));
  for (const path of files.paths()) {
    if (used.has(path) || path.endsWith(HEADER_SUFFIX) || path.endsWith(REPLACEMENT_SUFFIX)) continue;
    const file = files.file(path);
    const chunkOf = CHUNK_FILE.exec(path)?.[1];
    if (chunkOf !== undefined) {
      // An empty one is what an interrupted rollover leaves.
      if (file?.sizeBytes === 0) continue;
      const message = 'no header names the chunk: it is left out';
      files.findings.damage('quarantined-chunk', message, { segment: chunkOf, path });
    } else if (file !== undefined && !segments.has(path) && (named(path) || isNamedLikeSegment(path))) {
      const chunks = [{ offset: 0, path }];
      const stored = rolledSegment(files, { name: path, chunks, sealed: !file.isOwnerWritable });
      const existence = 'a file without a header, which nothing but its name makes a segment';
      const doubts = named(path) ? stored.doubts : { ...stored.doubts, existence };
      segments.set(path, { ...stored, doubts });
    } else files.findings.note('foreign-file', 'the file is no part of the layout', { path });
  }
}
