import type { TlogIndexEntry, TlogSegment } from '@salvor/contracts';
import { ChunkBuilder } from '../chunk/chunk-file.ts';
import { decideCoverage } from '../chunk/coverage.ts';
import type { FoundChunk, VdiskChunks } from '../chunk/vdisk-chunks.ts';
import { LogError } from '../log-error.ts';
import { BlockBitmap } from '../replay/block-bitmap.ts';
import { blockChecksum, lastSequence, SEGMENT_MAX_BYTES } from '../segment.ts';

export interface CompactionOptions {
  readonly chunks: VdiskChunks;
  /** Number of the last segment of an earlier log under this name. */
  readonly after: number;
  /** States of this time and later stay exact, each of them. Milliseconds since 1970 UTC. */
  readonly horizonAt: number;
  /** Older times whose states stay exact as well. */
  readonly pointsAt: readonly number[];
  /** Sequences and names of snapshots: the states after them stay exact, and their marks stay. */
  readonly snapshots: readonly { readonly name: string; readonly sequence: number }[];
  readonly chunkBytes: number;
  /** Segments that are missing are known to be: what lies before them is compacted by itself. Default: such a log stays as it is. */
  readonly isGapKnown?: boolean;
  /** Asked before each change. Rejects when this process may not go on. */
  readonly mayGoOn: () => Promise<void>;
}

export interface Compacted {
  readonly chunksBefore: number;
  readonly chunksAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** What is not compacted yet is left until it is this share of what is: each pass writes all of the rest again. */
const NEW_SHARE = 0.25;
/** Of the bytes of a segment that is made of several. */
const PIECE_BYTES: number = SEGMENT_MAX_BYTES / 2;

interface KeptSegment {
  readonly entry: TlogIndexEntry;
  readonly records: readonly { readonly record: TlogIndexEntry['records'][number]; readonly at: number }[];
  /** Last sequence of the stretch whose last state is kept. */
  readonly exactFrom: number;
  readonly isMark: boolean;
}

interface Group {
  /** Newest first. */
  readonly sources: FoundChunk[];
  /** Newest first. */
  readonly segments: { readonly source: FoundChunk; readonly kept: KeptSegment }[];
  bytes: number;
}

/**
 * Writes old chunks again without the records that no kept state needs: between two kept states the newest record of a block
 * counts, and nothing from before the base that the oldest one builds on. From the newest chunk to the oldest: a new chunk is
 * there before those it is made of go, so it may die at any moment. A log that is broken, or has lost segments, stays as it is.
 *
 * @returns null when there is nothing to do yet
 * @throws LogError `bad-chunk` when a record that is needed does not match its checksum: what it lies in stays; `store`
 */
export async function compactLog(options: CompactionOptions): Promise<Compacted | null> {
  const { chunks, after, isGapKnown = false } = options;
  const coverage = decideCoverage((await chunks.list()).filter(({ to }) => to > after));
  if (coverage.gaps.length > 0 && !isGapKnown) return null;
  const all = coverage.chunks.map(({ chunk }) => chunk);
  // What others cover is a leftover.
  if (coverage.spare.length > 0) await options.mayGoOn();
  for (const spare of coverage.spare) await removeSpare(chunks, spare, all);
  const [chunksBefore, bytesBefore] = [all.length, bytesOf(all)];
  const sum = { chunksBefore, chunksAfter: chunksBefore, bytesBefore, bytesAfter: bytesBefore };
  let isDone = false;
  // The newest chunk may still be archived again.
  for (const stretch of stretchesOf(all.slice(0, -1))) {
    const found = await oldOf(options, stretch);
    if (found === null) continue;
    const written = await new Pass(options, found.base).run(found.old);
    sum.chunksAfter += written.chunks - found.old.length;
    sum.bytesAfter += written.bytes - bytesOf(found.old);
    isDone = true;
  }
  return isDone ? sum : null;
}

/** Chunks without a gap between them. */
function stretchesOf(chunks: readonly FoundChunk[]): FoundChunk[][] {
  const stretches: FoundChunk[][] = [];
  let to = -1;
  for (const chunk of chunks) {
    if (chunk.from > to + 1) stretches.push([]);
    stretches.at(-1)?.push(chunk);
    ({ to } = chunk);
  }
  return stretches;
}

/** What is to be written again, newest first, and the base that its newest state builds on; null: nothing is yet. */
async function oldOf(
  { chunks, horizonAt }: CompactionOptions,
  stretch: readonly FoundChunk[],
): Promise<{ readonly old: readonly FoundChunk[]; readonly base: number } | null> {
  const old: FoundChunk[] = [];
  let base = 0;
  for (const chunk of stretch.toReversed()) {
    if (old.length === 0) {
      const { entries, lost } = await chunks.read(chunk);
      const newest = entries.at(-1);
      if (lost.length > 0 || newest === undefined) return null;
      if (newest.lastAt > horizonAt) continue;
      base = newest.base;
    }
    old.push(chunk);
  }
  const newBytes = bytesOf(old.filter(({ pass }) => pass === 0));
  const isWorth = newBytes >= NEW_SHARE * bytesOf(old.filter(({ pass }) => pass > 0));
  return base < 1 || newBytes === 0 || !isWorth ? null : { old, base };
}

/** Only what chunks that can be read cover. */
async function removeSpare(
  chunks: VdiskChunks,
  spare: FoundChunk,
  used: readonly FoundChunk[],
): Promise<void> {
  for (const chunk of used.filter(({ from, to }) => from <= spare.to && to >= spare.from))
    if ((await chunks.scan(chunk, 'it is to stand for another one')).lost.length > 0) return;
  await chunks.delete(spare);
}

class Pass {
  readonly #options: CompactionOptions;
  #points: number[];
  readonly #sequences: number[];
  readonly #names: ReadonlySet<string>;
  #seen = new BlockBitmap();
  #exactFrom = 0;
  /** What no kept state needs lies before it. */
  #floor: number;
  #group: Group = { sources: [], segments: [], bytes: 0 };
  #written = { chunks: 0, bytes: 0 };

  constructor(options: CompactionOptions, base: number) {
    this.#options = options;
    this.#floor = base;
    this.#points = options.pointsAt.toSorted((a, b) => b - a);
    this.#sequences = options.snapshots.map(({ sequence }) => sequence).toSorted((a, b) => b - a);
    this.#names = new Set(options.snapshots.map(({ name }) => name));
  }

  /** @param old newest first */
  async run(old: readonly FoundChunk[]): Promise<{ chunks: number; bytes: number }> {
    const { chunks, chunkBytes } = this.#options;
    this.#exactFrom = old[0]?.last ?? 0;
    const [oldest] = old.slice(-1);
    const beginsAt = oldest === undefined ? 0 : ((await chunks.read(oldest)).entries[0]?.firstAt ?? 0);
    // What is older than the log is kept nowhere.
    this.#points = this.#points.filter((at) => at >= beginsAt);
    for (const [i, chunk] of old.entries()) {
      const { entries, lost } = await chunks.read(chunk);
      if (lost.length > 0) break;
      // What ends within a backup, or within what was compacted, tells no state before the end of that.
      if (i === 0) this.#exactFrom = Math.max(this.#exactFrom, entries.at(-1)?.covers?.exactFrom ?? 0);
      const isUnneeded = chunk.last < this.#floor && !this.#hasPointUpTo(entries.at(-1));
      if (isUnneeded) {
        await this.#flush();
        await this.#options.mayGoOn();
        // Oldest first: what is left is always the end of a log.
        for (const unneeded of old.slice(i).toReversed()) await chunks.delete(unneeded);
        return this.#written;
      }
      if (this.#group.bytes >= chunkBytes) await this.#flush();
      this.#group.sources.push(chunk);
      for (const entry of entries.toReversed()) {
        const kept = this.#keep(entry);
        this.#group.segments.push({ source: chunk, kept });
        this.#group.bytes += kept.records.reduce((sum, { record }) => sum + record.length, 0);
      }
    }
    await this.#flush();
    return this.#written;
  }

  #hasPointUpTo(newest: TlogIndexEntry | undefined): boolean {
    if (newest === undefined) return true;
    return this.#sequences.some((sequence) => sequence <= lastSequence(newest)) || this.#points.length > 0;
  }

  #keep(entry: TlogIndexEntry): KeptSegment {
    const last =
      entry.covers === undefined ? lastSequence(entry) : Math.max(lastSequence(entry), entry.first - 1);
    this.#enter(entry, last);
    const isMark = entry.kind === 'snapshot' && this.#names.has(entry.name);
    let at = entry.records.reduce((sum, { length }) => sum + length, 0);
    // A state in the middle of a segment is kept by leaving the segment as it is.
    const isSplit = this.#sequences.some((sequence) => sequence >= entry.first && sequence < last);
    const records: KeptSegment['records'][number][] = [];
    for (const record of entry.records.toReversed()) {
      at -= record.length;
      if (record.sequence < this.#floor) continue;
      if (isSplit || this.#seen.add(record.block)) records.push({ record, at });
    }
    if (isSplit) this.#seen = new BlockBitmap();
    return { entry, records: records.toReversed(), exactFrom: this.#exactFrom, isMark };
  }

  /** A kept state ends here: older records of a block that was seen since count again. */
  #enter(entry: TlogIndexEntry, last: number): void {
    const reached = (this.#points[0] ?? -1) >= entry.lastAt || (this.#sequences[0] ?? -1) >= last;
    // The newest state before a point that can be restored is kept: what tells none is not it.
    if (!reached || (entry.covers?.exactFrom ?? 0) > last) return;
    while ((this.#points[0] ?? -1) >= entry.lastAt) this.#points.shift();
    while ((this.#sequences[0] ?? -1) >= last) this.#sequences.shift();
    this.#seen = new BlockBitmap();
    this.#exactFrom = last;
    if (entry.base >= 1) this.#floor = Math.min(this.#floor, entry.base);
  }

  async #flush(): Promise<void> {
    const { sources, segments } = this.#group;
    this.#group = { sources: [], segments: [], bytes: 0 };
    const [newest, oldest] = [sources[0], sources.at(-1)];
    if (newest === undefined || oldest === undefined) return;
    const { chunks } = this.#options;
    const pass = 1 + Math.max(...sources.map((source) => source.pass));
    const epoch = Math.max(...sources.map((source) => source.epoch));
    const builder = new ChunkBuilder(chunks.vdisk, oldest.from, { pass, epoch });
    for (const piece of piecesOf(segments.toReversed())) builder.add(await this.#segmentOf(piece));
    const files = builder.finish({ to: newest.to, first: oldest.first, last: newest.last });
    await this.#options.mayGoOn();
    await chunks.write(files);
    for (const source of sources) await chunks.delete(source);
    this.#written = {
      chunks: this.#written.chunks + 1,
      bytes: this.#written.bytes + files.chunkBytes,
    };
  }

  async #segmentOf(piece: Group['segments']): Promise<TlogSegment> {
    const [first, last] = [piece[0]?.kept, piece.at(-1)?.kept];
    if (first === undefined || last === undefined) throw new Error('a piece has at least one segment');
    const parts: Buffer[] = [];
    for (const { source, kept } of piece) parts.push(...(await this.#bytesOf(source, kept)));
    const records = piece.flatMap(({ kept }) => kept.records.map(({ record }) => record));
    const { dataAt: _, covers: __, records: ___, ...rest } = last.entry;
    const end = Math.max(lastSequence(last.entry), last.entry.first - 1);
    return {
      ...rest,
      vdisk: this.#options.chunks.vdisk,
      ...(last.isMark ? {} : { kind: 'writes' as const, name: '' }),
      first: records[0]?.sequence ?? end + 1,
      firstAt: first.entry.firstAt,
      covers: {
        number: first.entry.covers?.number ?? first.entry.number,
        first: first.entry.covers?.first ?? first.entry.first,
        exactFrom: last.exactFrom,
      },
      records,
      data: Buffer.concat(parts),
    };
  }

  async #bytesOf(source: FoundChunk, { entry, records }: KeptSegment): Promise<Buffer[]> {
    const [first, last] = [records[0], records.at(-1)];
    if (first === undefined || last === undefined) return [];
    const from = entry.dataAt + first.at;
    const bytes = await this.#options.chunks.store.read(
      source.path,
      from,
      entry.dataAt + last.at + last.record.length - from,
    );
    return records.map(({ record, at }) => {
      const data = bytes.subarray(at - first.at, at - first.at + record.length);
      if (record.length > 0 && blockChecksum(data) !== record.checksum)
        throw new LogError(
          'bad-chunk',
          `${source.path}: record ${record.sequence} of segment ${entry.number} does not match its checksum`,
        );
      return data;
    });
  }
}

/** Segments that become one: neighbours of one stretch, up to a size. Marks stay alone. */
function* piecesOf(segments: Group['segments']): Iterable<Group['segments']> {
  let piece: Group['segments'] = [];
  let bytes = 0;
  for (const segment of segments) {
    const { isMark, exactFrom, records } = segment.kept;
    const own = records.reduce((sum, { record }) => sum + record.length, 0);
    const before = piece.at(-1)?.kept;
    const isApart = before !== undefined && (isMark || before.isMark || before.exactFrom !== exactFrom);
    if (isApart || (piece.length > 0 && bytes + own > PIECE_BYTES)) {
      yield piece;
      piece = [];
      bytes = 0;
    }
    piece.push(segment);
    bytes += own;
  }
  if (piece.length > 0) yield piece;
}

function bytesOf(chunks: readonly FoundChunk[]): number {
  return chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
