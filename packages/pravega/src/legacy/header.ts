import { FormatError } from '../format/format-error.ts';

/**
 * The header of a segment in rolling storage (`io.pravega.segmentstore.storage.rolling.HandleSerializer`): tokens
 * `key=value`, each followed by `&`. Key `maxsize`: the rolling size. An offset: a chunk. `concat`: chunks of a merged
 * segment follow.
 */
export interface SegmentHeader {
  /** In order of their offsets, which are the segment's. */
  readonly chunks: readonly HeaderChunk[];
  /** What could not be read, and from which token on. The chunks before it stand. */
  readonly problem?: string;
}

export interface HeaderChunk {
  readonly offset: number;
  readonly path: string;
}

/** A header of a segment of 1,000,000 chunks has 100 bytes for each. */
export const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const CONCAT = /^(\d{1,10})@(\d{1,19})$/;

export function parseHeader(text: string): SegmentHeader {
  const chunks: HeaderChunk[] = [];
  try {
    readTokens(text, chunks);
    return { chunks };
  } catch (error) {
    if (error instanceof FormatError) return { chunks, problem: error.message };
    throw error;
  }
}

function readTokens(text: string, chunks: HeaderChunk[]): void {
  let merged: { left: number; readonly base: number; isFirst: boolean } | undefined;
  for (let at = 0; at < text.length; ) {
    const endsAt = text.indexOf('&', at);
    if (endsAt < 0)
      throw new FormatError(`expected '&' behind every token, found an end after ${at} characters`);
    const token = text.slice(at, endsAt);
    at = endsAt + 1;
    const equalsAt = token.indexOf('=');
    if (equalsAt <= 0) throw new FormatError(`expected key=value, found '${token.slice(0, 80)}'`);
    const key = token.slice(0, equalsAt).toLowerCase();
    const value = token.slice(equalsAt + 1);
    if (key === 'maxsize') continue; // Further ones come from merged segments.
    if (key === 'concat') {
      merged = readConcat(value);
      continue;
    }
    const offset = readOffset(key);
    // A merge was interrupted before the chunks were added: what follows is the segment's own.
    if (merged?.isFirst && offset !== 0) merged = undefined;
    addChunk(chunks, { offset: offset + (merged?.base ?? 0), path: value });
    if (merged === undefined) continue;
    merged = merged.left > 1 ? { left: merged.left - 1, base: merged.base, isFirst: false } : undefined;
  }
}

function addChunk(chunks: HeaderChunk[], chunk: HeaderChunk): void {
  const last = chunks.at(-1);
  if (last !== undefined && chunk.offset < last.offset)
    throw new FormatError(`expected chunks in ascending order, found ${chunk.offset} after ${last.offset}`);
  chunks.push(chunk);
}

function readConcat(value: string): { left: number; base: number; isFirst: boolean } | undefined {
  const match = CONCAT.exec(value);
  if (match === null)
    throw new FormatError(`expected concat=<count>@<offset>, found '${value.slice(0, 80)}'`);
  const left = Number(match[1]);
  return left === 0 ? undefined : { left, base: readOffset(match[2] ?? ''), isFirst: true };
}

function readOffset(text: string): number {
  const offset = /^\d{1,19}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(offset)) return offset;
  throw new FormatError(`expected an offset, found '${text.slice(0, 80)}'`);
}
