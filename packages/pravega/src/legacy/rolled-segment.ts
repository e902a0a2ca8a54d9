import { type Doubts, FRONT_IS_GONE, type StoredSegment } from '../stored-segment.ts';
import type { ByteRange, Extent } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import type { HeaderChunk } from './header.ts';

export interface RolledFacts {
  readonly name: string;
  readonly chunks: readonly HeaderChunk[];
  /** By the mode of its file. */
  readonly sealed: boolean;
  /** Why modes tell nothing, where they do not. */
  readonly modes?: string | undefined;
  readonly headerProblem?: string | undefined;
}

/**
 * Holds a header against the files. A chunk ends where the next one begins, the last one where its file ends. Chunks that
 * are gone at the front were truncated, most likely; further on they are a hole. Without its last chunk a segment was
 * being deleted, or lost it.
 */
export function rolledSegment(
  files: TreeFiles,
  { name, chunks, sealed, modes, headerProblem }: RolledFacts,
): StoredSegment {
  const { findings } = files;
  const extents: Extent[] = [];
  const missing: ByteRange[] = [];
  const merged: ByteRange[] = [];
  const firstThere = chunks.findIndex(({ path }) => files.file(path) !== undefined);
  const first = chunks[Math.max(0, firstThere)];
  for (const [index, { offset, path }] of chunks.entries()) {
    const sizeBytes = files.file(path)?.sizeBytes;
    const next = chunks[index + 1]?.offset;
    const length = next === undefined ? (sizeBytes ?? 0) : next - offset;
    const isForeign = isOfAnother(name, path);
    const found = isForeign ? 0 : Math.min(length, sizeBytes ?? 0);
    if (found > 0) extents.push({ at: offset, length: found, path, fileOffset: 0 });
    if (!path.startsWith(`${name}$offset.`) && length > 0) merged.push({ from: offset, to: offset + length });
    if (found === length && sizeBytes !== undefined && !isForeign) continue;
    const range = { from: offset + found, to: offset + length };
    const isFront = index < firstThere;
    if (isForeign)
      findings.damage('bad-header', 'the header names a chunk of another segment', {
        ...{ segment: name, path, ...range },
      });
    else if (sizeBytes === undefined) {
      const message = isFront ? 'a chunk at the front is gone: truncated, or lost' : 'a chunk is not there';
      if (isFront) findings.note('missing-chunk', message, { segment: name, path, ...range });
      else findings.damage('missing-chunk', message, { segment: name, path, ...range });
    } else
      findings.damage('short-chunk', `a chunk has ${sizeBytes} bytes instead of ${length}`, {
        segment: name,
        path,
        ...range,
      });
    if (!isFront && length > 0) missing.push(range);
  }
  const foreign = chunks.find(({ path }) => isOfAnother(name, path));
  const last = chunks.at(-1);
  const isLastGone = last !== undefined && files.file(last.path) === undefined;
  const doubts: Doubts = {
    ...(modes === undefined ? {} : { sealed: modes }),
    ...(firstThere > 0 ? { startOffset: FRONT_IS_GONE } : {}),
    ...(isLastGone ? { length: 'its last chunk is gone', existence: 'its last chunk is gone' } : {}),
    ...(foreign === undefined ? {} : { length: 'its header names a chunk of another segment' }),
    ...(headerProblem === undefined ? {} : { length: `its header is damaged: ${headerProblem}` }),
  };
  return {
    name,
    extents,
    missing,
    merged,
    startOffset: first?.offset ?? 0,
    sealed: sealed && modes === undefined,
    isSealByMode: true,
    recordedLength: null,
    doubts,
    mayBeGone: isLastGone,
  };
}

/** Chunks that came by a merge keep the name of their transaction; all others have the segment's. Its bytes are not the segment's. */
function isOfAnother(name: string, path: string): boolean {
  const owner = /^(.*)\$offset\.\d{1,19}$/s.exec(path)?.[1];
  return owner !== undefined && owner !== name && !owner.startsWith(`${name}#`);
}
