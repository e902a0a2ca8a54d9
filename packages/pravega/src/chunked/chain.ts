/** A chain of chunks becomes the bytes of a segment. */

import { parseChunkName } from '../naming/chunk-name.ts';
import type { StoredSegment } from '../stored-segment.ts';
import type { ByteRange, Extent } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';

/** A chunk of a chain: so many bytes of the file belong to the segment, those beyond do not. */
export interface ChainLink {
  readonly path: string;
  readonly start: number;
  readonly length: number;
}

export interface ChainFacts {
  readonly name: string;
  readonly startOffset: number;
  readonly sealed: boolean;
  readonly recordedLength: number | null;
  readonly doubts?: StoredSegment['doubts'];
  readonly mayBeGone?: boolean;
}

/** One for all: there are very many segments, and hardly any has holes, merges or doubts. */
const NONE: readonly ByteRange[] = [];
const NO_DOUBTS = {};

/** Holds the chain against the files. What a missing or short file should have is reported, and stays a hole. */
export function storedSegment(
  files: TreeFiles,
  links: readonly ChainLink[],
  facts: ChainFacts,
): StoredSegment {
  const { name, recordedLength } = facts;
  const extents: Extent[] = [];
  const missing: ByteRange[] = [];
  const merged: ByteRange[] = [];
  for (const { path, start, length } of links) {
    const file = files.file(path);
    const sizeBytes = file?.sizeBytes;
    const found = Math.min(length, sizeBytes ?? 0);
    if (file !== undefined && found > 0)
      extents.push({ at: start, length: found, path: file.path, fileOffset: 0 });
    if (found < length) {
      const range = { from: start + found, to: start + length };
      missing.push(range);
      const what = sizeBytes === undefined ? 'is not there' : `has ${sizeBytes} bytes instead of ${length}`;
      const code = sizeBytes === undefined ? 'missing-chunk' : 'short-chunk';
      files.findings.damage(code, `a chunk ${what}`, { segment: name, path, ...range });
    }
    if (parseChunkName(path)?.segment !== name) merged.push({ from: start, to: start + length });
  }
  return {
    name,
    extents,
    missing: missing.length === 0 ? NONE : missing,
    merged: merged.length === 0 ? NONE : merged,
    startOffset: facts.startOffset,
    sealed: facts.sealed,
    isSealByMode: false,
    recordedLength,
    doubts: facts.doubts ?? NO_DOUBTS,
    mayBeGone: facts.mayBeGone ?? false,
  };
}
