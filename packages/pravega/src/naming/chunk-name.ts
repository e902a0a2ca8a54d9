/** `<segment>.E-<container epoch>-O-<offset>.<uuid>` (`io.pravega.shared.NameUtils.getSegmentChunkName`). */
const CHUNK_NAME = /^(.*)\.E-(\d{1,19})-O-(\d{1,19})\.([0-9a-f-]{36})$/s;

/**
 * What the name of a chunk file of the chunked layout says. The offset is the segment's when the chunk was begun: in the
 * chain of another segment, into which this one was merged, it stands elsewhere.
 */
export interface ChunkName {
  readonly segment: string;
  readonly epoch: number;
  readonly offset: number;
}

export function parseChunkName(name: string): ChunkName | undefined {
  const match = CHUNK_NAME.exec(name);
  if (match?.[1] === undefined) return undefined;
  const epoch = Number(match[2]);
  const offset = Number(match[3]);
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(offset)) return undefined;
  return { segment: match[1], epoch, offset };
}
