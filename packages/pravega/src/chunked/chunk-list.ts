/** The chunk files of a tree, by the segment that their names give. */
import { type ChunkName, parseChunkName } from '../naming/chunk-name.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import type { ChainLink } from './chain.ts';

export interface NamedChunk extends ChunkName {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The chunks of which the path fits, by the segment that their names give. */
export function chunksBySegment(
  files: TreeFiles,
  fits: (path: string) => boolean,
): Map<string, NamedChunk[]> {
  const chunks = new Map<string, NamedChunk[]>();
  for (const path of files.paths()) {
    if (!fits(path)) continue;
    const name = parseChunkName(path);
    if (name === undefined) continue;
    const known = chunks.get(name.segment);
    const chunk = { ...name, path, sizeBytes: files.file(path)?.sizeBytes ?? 0 };
    if (known === undefined) chunks.set(name.segment, [chunk]);
    else known.push(chunk);
  }
  return chunks;
}

/**
 * The chain that the names alone give. Right for the containers' own segments, which are never merged and never copied:
 * a later epoch begins where it found the end, and what an earlier one wrote beyond was fenced out.
 */
export function chainByNames(chunks: readonly NamedChunk[]): ChainLink[] {
  const chain: NamedChunk[] = [];
  for (const chunk of [...chunks].sort((a, b) => a.epoch - b.epoch || a.offset - b.offset)) {
    while ((chain.at(-1)?.offset ?? -1) >= chunk.offset) chain.pop();
    chain.push(chunk);
  }
  return chain.map(({ path, offset, sizeBytes }, index) => {
    const next = chain[index + 1];
    return { path, start: offset, length: next === undefined ? sizeBytes : next.offset - offset };
  });
}
