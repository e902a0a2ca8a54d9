/** The four segments of a container that hold its metadata: by the journal, or by the names of their chunks. */
import { ATTRIBUTE_SUFFIX, metadataSegment, storageMetadataSegment } from '../naming/segment-name.ts';
import type { StoredSegment } from '../stored-segment.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { type ChainLink, storedSegment } from './chain.ts';
import { chainByNames, type NamedChunk } from './chunk-list.ts';
import type { SystemJournal } from './system-journal.ts';

export function systemSegmentNames(container: number): string[] {
  return [metadataSegment(container), storageMetadataSegment(container)].flatMap((name) => [
    name,
    name + ATTRIBUTE_SUFFIX,
  ]);
}

/** Undefined where neither the journal nor any file knows of the segment. */
export function systemSegment(
  files: TreeFiles,
  name: string,
  chunks: readonly NamedChunk[],
  journal: SystemJournal | undefined,
): SystemSegment | undefined {
  const booted = journal?.chains.get(name);
  const named = chainByNames(chunks);
  if (booted === undefined && named.length === 0) return undefined;
  const startOffset = booted?.startOffset ?? named[0]?.start ?? 0;
  const byJournal = booted === undefined ? undefined : grown(booted.links, files, booted.atomicWrites);
  const useJournal =
    byJournal !== undefined &&
    journal?.isWhole === true &&
    (isThere(files, byJournal) || !isThere(files, named));
  if (byJournal !== undefined && !useJournal) {
    const message = 'the journal does not fit the files; chunks are ordered by their names instead';
    files.findings.damage('bad-journal', message, { segment: name });
  }
  const links = (useJournal ? byJournal : named) ?? named;
  const kept = withWholeFile(links, files).filter(({ start, length }) => start + length > startOffset);
  const stored = storedSegment(files, kept, { name, startOffset, sealed: false, recordedLength: null });
  const last = links.at(-1);
  return { stored, knownEnd: last === undefined ? startOffset : last.start + last.length };
}

export interface SystemSegment {
  /** With all that its last file has. */
  readonly stored: StoredSegment;
  /** Up to where the journal knows of it. */
  readonly knownEnd: number;
}

/** The journal, too, may be behind the file: it is written after what it tells of. */
function withWholeFile(links: readonly ChainLink[], files: TreeFiles): ChainLink[] {
  return links.map((link, index) => {
    if (index < links.length - 1) return link;
    return { ...link, length: Math.max(link.length, files.file(link.path)?.sizeBytes ?? 0) };
  });
}

/** Without the bit that says that every append is in the metadata, the last chunk is as long as its file. */
function grown(links: readonly ChainLink[], files: TreeFiles, atomicWrites: boolean): ChainLink[] {
  return links.map((link, index) => {
    if (atomicWrites || index < links.length - 1) return link;
    return { ...link, length: Math.max(link.length, files.file(link.path)?.sizeBytes ?? 0) };
  });
}

function isThere(files: TreeFiles, links: readonly ChainLink[]): boolean {
  return links.length > 0 && links.every(({ path, length }) => (files.file(path)?.sizeBytes ?? -1) >= length);
}
