/**
 * Which chunks that no metadata names continue a segment. The metadata itself travelled through Tier-1, so the files may be
 * ahead of it; but a file may also be what a fenced owner left. Only what provably continues the segment is taken.
 */
import type { NamedChunk } from './chunk-list.ts';

export interface SegmentEnd {
  /** Offset behind the last byte that the chain has. */
  readonly end: number;
  /** Epoch of the last chunk of the chain, 0 without one. */
  readonly epoch: number;
  readonly sealed: boolean;
  /** What is missing at the front of the chain. */
  readonly missingFront: { readonly from: number; readonly to: number } | undefined;
}

export interface Extension {
  /** In order, each beginning where the one before it ends. */
  readonly adopted: readonly NamedChunk[];
  /** The rest of a first chunk, copied by a truncation before its chunk was deleted. */
  readonly front: NamedChunk | undefined;
  readonly quarantined: readonly { readonly chunk: NamedChunk; readonly reason: string }[];
}

/** `isPrefix`: whether all bytes of the shorter file are the first ones of the longer. */
export function decideExtension(
  { end, epoch, sealed, missingFront }: SegmentEnd,
  orphans: readonly NamedChunk[],
  isPrefix: (shorter: NamedChunk, longer: NamedChunk) => boolean,
): Extension {
  const adopted: NamedChunk[] = [];
  const quarantined: { chunk: NamedChunk; reason: string }[] = [];
  const front = missingFront && orphans.find((chunk) => isRestOf(missingFront, chunk));
  const byOffset = new Map<number, NamedChunk[]>();
  for (const chunk of orphans) {
    if (chunk === front || chunk.sizeBytes === 0) continue;
    byOffset.set(chunk.offset, [...(byOffset.get(chunk.offset) ?? []), chunk]);
  }
  let at = end;
  let lastEpoch = epoch;
  while (!sealed) {
    const here = (byOffset.get(at) ?? []).filter((chunk) => chunk.epoch >= lastEpoch);
    const next = chosen(here, isPrefix);
    if (next === undefined) break;
    adopted.push(next);
    for (const chunk of byOffset.get(at) ?? [])
      if (chunk !== next) quarantined.push({ chunk, reason: 'a later epoch has the same bytes, and more' });
    byOffset.delete(at);
    at += next.sizeBytes;
    lastEpoch = next.epoch;
  }
  for (const chunks of byOffset.values())
    for (const chunk of chunks) quarantined.push({ chunk, reason: reasonFor(chunk, at, sealed) });
  return { adopted, front, quarantined };
}

/** Whether the chunk begins in what is missing, and ends where it ends. */
function isRestOf({ from, to }: { from: number; to: number }, { offset, sizeBytes }: NamedChunk): boolean {
  return offset >= from && offset < to && offset + sizeBytes === to;
}

/** The only one; or the one of the highest epoch, if every other one is the beginning of it. */
function chosen(
  candidates: readonly NamedChunk[],
  isPrefix: (shorter: NamedChunk, longer: NamedChunk) => boolean,
): NamedChunk | undefined {
  const [newest, ...others] = [...candidates].sort((a, b) => b.epoch - a.epoch || b.sizeBytes - a.sizeBytes);
  if (newest === undefined) return undefined;
  const isClear = others.every(
    (other) => other.epoch < newest.epoch && other.sizeBytes <= newest.sizeBytes && isPrefix(other, newest),
  );
  return isClear ? newest : undefined;
}

function reasonFor(chunk: NamedChunk, end: number, sealed: boolean): string {
  if (chunk.offset < end) return `it begins at ${chunk.offset}, before the end ${end} of the segment`;
  if (chunk.offset > end) return `it begins at ${chunk.offset}, and the segment ends at ${end}`;
  return sealed ? 'the segment is sealed' : 'it is not certain which of several chunks continues the segment';
}
