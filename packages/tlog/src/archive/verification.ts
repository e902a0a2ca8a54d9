import { isDeepStrictEqual } from 'node:util';
import { decideCoverage } from '../chunk/coverage.ts';
import { plainEntry } from '../chunk/index-entries.ts';
import type { FoundChunk, LostSegments, ReadChunk, VdiskChunks } from '../chunk/vdisk-chunks.ts';
import type { LogSource } from '../log-source.ts';

export interface VerifyOptions {
  readonly chunks: VdiskChunks;
  /** Number of the last segment of an earlier log under this name. */
  readonly after: number;
  /** What Tier-1 holds; null: it is not asked. */
  readonly tail: LogSource | null;
  /** Number of the last segment that was archived, as far as that is on record. */
  readonly archivedTo: number;
  /** Whether indexes that are missing or bad are written again; default true. */
  readonly repairs?: boolean;
  /** Called after each chunk. Rejects to end it. */
  readonly progress: (done: number, total: number) => Promise<void>;
}

export interface Finding {
  /**
   * `lost`: segments that nothing holds. `damaged`: something that is read from elsewhere. `repaired`: an index that was written
   * again, or could be. `leftover`: a chunk that others cover.
   */
  readonly kind: 'lost' | 'damaged' | 'repaired' | 'leftover';
  /** Numbers of segments. */
  readonly from: number;
  readonly to: number;
  /** Which file, and what is wrong with it. */
  readonly what: string;
}

export interface VerifyReport {
  readonly chunks: number;
  readonly segments: number;
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

interface Looked {
  readonly chunk: FoundChunk;
  readonly lost: readonly LostSegments[];
}

/**
 * Reads all of an archived log and proves it: every file against its checksums, every chunk against its index, the numbers of
 * segments for gaps, up to where Tier-1 takes over. Indexes that are missing or bad are written again; nothing else is changed.
 *
 * @throws LogError `store`
 */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyReport> {
  const { chunks, after, progress, repairs = true } = options;
  const found = (await chunks.list()).filter(({ to }) => to > after);
  const findings: Finding[] = [];
  const looked: Looked[] = [];
  let segments = 0;
  for (const [i, chunk] of found.entries()) {
    const { read, repaired } = await look(chunks, chunk, repairs);
    segments += read.entries.length;
    looked.push({ chunk, lost: read.lost });
    if (repaired !== null)
      findings.push({ kind: 'repaired', from: chunk.from, to: chunk.to, what: repaired });
    await progress(i + 1, found.length);
  }
  const tail = await numbersOf(options.tail);
  for (const { chunk, lost } of looked)
    for (const { from, to, reason } of lost) {
      const other =
        holderOf(looked, chunk, from, to) ?? (tail.from !== null && tail.from <= from ? 'Tier-1' : null);
      findings.push(
        other === null
          ? { kind: 'lost', from, to, what: reason }
          : { kind: 'damaged', from, to, what: `${reason}; ${other} has it` },
      );
    }
  // While chunks were read the archiver went on, and let go of what it had archived: that is in chunks of later.
  const isBehind = tail.from !== null && tail.from > lastOf(found, after) + 1;
  const now = isBehind ? (await chunks.list()).filter(({ to }) => to > after) : found;
  const coverage = decideCoverage(now);
  for (const { path, from, to } of coverage.spare)
    findings.push({ kind: 'leftover', from, to, what: `${path}: other chunks hold the same` });
  for (const gap of coverage.gaps)
    findings.push({ kind: 'lost', ...gap, what: `no chunk in ${chunks.folder} holds them` });
  findings.push(...seam(options, coverage.chunks.at(-1)?.chunk.to ?? after, tail));
  return {
    ...{ chunks: found.length, segments, bytes: found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
    findings: findings.toSorted((a, b) => a.from - b.from),
  };
}

function lastOf(chunks: readonly FoundChunk[], after: number): number {
  return decideCoverage(chunks).chunks.at(-1)?.chunk.to ?? after;
}

/** A chunk read as a whole, and held against its index, which has a checksum of its own. */
async function look(
  chunks: VdiskChunks,
  chunk: FoundChunk,
  repairs: boolean,
): Promise<{ read: ReadChunk; repaired: string | null }> {
  const index = await chunks.read(chunk);
  const read = index.rebuilt === null ? await chunks.scan(chunk, 'it is verified') : index;
  if (index.rebuilt !== null) {
    // The only witness of what the chunk should be is gone: what can be read of it counts.
    if (read.lost.length > 0) return { read, repaired: null };
    if (!repairs) return { read, repaired: `${chunk.path}: its index cannot be used: ${index.rebuilt}` };
    await chunks.writeIndex(chunk, read);
    return { read, repaired: `${chunk.path}: its index is written again: ${index.rebuilt}` };
  }
  if (read.sha256 === index.sha256) return { read, repaired: null };
  const known = new Map(read.entries.map((entry) => [entry.number, entry]));
  const lost = [...read.lost];
  for (const entry of index.entries) {
    const now = known.get(entry.number);
    const isLost = lost.some(({ from, to }) => from <= entry.number && entry.number <= to);
    if (isLost || (now !== undefined && isDeepStrictEqual(plainEntry(entry), plainEntry(now)))) continue;
    const reason = `${chunk.path}: segment ${entry.number} at ${entry.dataAt} is not what the index says`;
    lost.push({ from: entry.number, to: entry.number, reason });
  }
  return { read: { ...read, lost }, repaired: null };
}

/** The path of another chunk that holds these segments. */
function holderOf(looked: readonly Looked[], not: FoundChunk, from: number, to: number): string | null {
  const holder = looked.find(
    ({ chunk, lost }) =>
      chunk !== not &&
      chunk.from <= from &&
      chunk.to >= to &&
      !lost.some((range) => range.from <= to && range.to >= from),
  );
  return holder?.chunk.path ?? null;
}

interface TailNumbers {
  readonly from: number | null;
  /** Missing in between. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
}

async function numbersOf(tail: LogSource | null): Promise<TailNumbers> {
  let from: number | null = null;
  let last = 0;
  const gaps: { from: number; to: number }[] = [];
  if (tail !== null)
    for await (const { number } of tail.oldestFirst()) {
      from ??= number;
      if (last > 0 && number > last + 1) gaps.push({ from: last + 1, to: number - 1 });
      last = number;
    }
  return { from, gaps };
}

/** Between the archive and Tier-1, and within Tier-1. */
function seam({ archivedTo, tail: asked }: VerifyOptions, to: number, tail: TailNumbers): Finding[] {
  const findings: Finding[] = [];
  if (tail.from !== null && tail.from > to + 1)
    findings.push({
      kind: 'lost',
      from: to + 1,
      to: tail.from - 1,
      what: 'neither the archive nor Tier-1 holds them',
    });
  else if (asked !== null && tail.from === null && archivedTo > to)
    findings.push({
      kind: 'lost',
      from: to + 1,
      to: archivedTo,
      what: 'they were archived, and their chunks are not there',
    });
  for (const gap of tail.gaps)
    if (gap.to > to)
      findings.push({
        kind: 'lost',
        from: Math.max(gap.from, to + 1),
        to: gap.to,
        what: 'Tier-1 does not hold them',
      });
  return findings;
}
