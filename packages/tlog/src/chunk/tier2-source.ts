import type { TlogIndexEntry } from '@salvor/contracts';
import { LogError } from '../log-error.ts';
import type { LogSource, RecordIndex, SegmentIndex } from '../log-source.ts';
import { blockChecksum } from '../segment.ts';
import type { ReadMemory } from '../store/read-memory.ts';
import { ArchivedSegment } from './archived-segment.ts';
import { type Coverage, decideCoverage } from './coverage.ts';
import { columnsOf } from './index-entries.ts';
import { rangesOf } from './record-ranges.ts';
import type { FoundChunk, LostSegments, ReadChunk, VdiskChunks } from './vdisk-chunks.ts';

/** Indexes that are kept: who walks through the log goes back to the last one for its bytes. */
const KEPT_INDEXES = 2;

const NO_BYTES: Buffer = Buffer.alloc(0);

interface Place {
  readonly path: string;
  readonly dataAt: number;
}

export interface Tier2SourceOptions {
  /** Number of the last segment that belongs to an earlier log of this name; default 0. */
  readonly after?: number;
  /** Told, in a sentence, of what is missing where it was looked for. */
  readonly noticed?: (what: string) => void;
}

/** The archived part of a log. What cannot be read is left out, as {@link LogSource} says, and told. */
export class Tier2Source implements LogSource {
  readonly #chunks: VdiskChunks;
  readonly #after: number;
  readonly #noticed: (what: string) => void;
  readonly #places = new WeakMap<SegmentIndex, Place>();
  readonly #read = new Map<string, ReadChunk>();
  /** The index that is wanted next, while it is being read. */
  #ahead: { readonly path: string; readonly read: Promise<ReadChunk> } | null = null;
  /** Chunks of which others hold what cannot be read from them. */
  readonly #avoided = new Set<string>();
  #found: readonly FoundChunk[] = [];
  #coverage: Coverage<FoundChunk> = { chunks: [], gaps: [], spare: [] };

  private constructor(chunks: VdiskChunks, { after = 0, noticed = () => undefined }: Tier2SourceOptions) {
    this.#chunks = chunks;
    this.#after = after;
    this.#noticed = noticed;
  }

  /** @throws LogError `store` */
  static async open(chunks: VdiskChunks, options: Tier2SourceOptions = {}): Promise<Tier2Source> {
    const source = new Tier2Source(chunks, options);
    await source.refresh();
    return source;
  }

  /** Numbers of the oldest and the newest segment that were archived; null: none was. */
  get range(): { readonly from: number; readonly to: number } | null {
    const [oldest, newest] = [this.#coverage.chunks[0], this.#coverage.chunks.at(-1)];
    return oldest === undefined || newest === undefined
      ? null
      : { from: Math.max(oldest.useFrom, this.#after + 1), to: newest.chunk.to };
  }

  get coverage(): Coverage<FoundChunk> {
    return this.#coverage;
  }

  /** Looks again at what lies there. */
  async refresh(): Promise<void> {
    this.#found = (await this.#chunks.list()).filter(({ to }) => to > this.#after);
    this.#cover();
  }

  newestFirst(upTo: number = Number.MAX_SAFE_INTEGER): AsyncIterable<SegmentIndex> {
    return this.newestBelow(Number.MAX_SAFE_INTEGER, upTo);
  }

  /** As {@link newestFirst}, with the segments whose number is below `number` only. */
  async *newestBelow(number: number, upTo: number = Number.MAX_SAFE_INTEGER): AsyncIterable<SegmentIndex> {
    const { range } = this;
    if (range === null) return;
    for (let next = Math.min(range.to, number - 1); next >= range.from; ) {
      const used = this.#chunkWith(next);
      if (used === undefined) {
        next = this.#gapAt(next).from - 1;
        continue;
      }
      const { chunk } = used;
      const useFrom = Math.max(used.useFrom, this.#after + 1);
      if (chunk.first <= upTo) {
        const read = await this.#indexOf(chunk, useFrom, next);
        if (read === null) continue;
        this.#readAhead(useFrom - 1);
        for (const item of merged(read, useFrom, next).reverse()) {
          if ('reason' in item) this.#noticed(lostSentence(this.#chunks.vdisk, item));
          else if (item.first <= upTo) yield this.#segmentOf(chunk, item);
        }
      }
      next = useFrom - 1;
    }
  }

  async newestNumber(): Promise<number> {
    return this.range?.to ?? 0;
  }

  oldestFirst(from = 1): AsyncIterable<SegmentIndex> {
    return this.oldestAbove(0, from);
  }

  /** As {@link oldestFirst}, with the segments whose number is above `number` only. */
  async *oldestAbove(number: number, from = 1): AsyncIterable<SegmentIndex> {
    const { range } = this;
    if (range === null) return;
    for (let next = Math.max(range.from, number + 1); next <= range.to; ) {
      const used = this.#chunkWith(next);
      if (used === undefined) {
        next = this.#gapAt(next).to + 1;
        continue;
      }
      const { chunk } = used;
      if (Math.max(chunk.last, chunk.first) >= from) {
        const read = await this.#indexOf(chunk, next, chunk.to);
        if (read === null) continue;
        this.#readAhead(chunk.to + 1);
        for (const item of merged(read, next, chunk.to)) {
          if ('reason' in item) this.#noticed(lostSentence(this.#chunks.vdisk, item));
          else if (Math.max(item.first, columnsOf(item).last(item.first)) >= from)
            yield this.#segmentOf(chunk, item);
        }
      }
      next = chunk.to + 1;
    }
  }

  async read(segment: SegmentIndex, records: readonly RecordIndex[], memory?: ReadMemory): Promise<Buffer[]> {
    const place = this.#places.get(segment);
    if (place === undefined)
      throw new LogError(
        'bad-segment',
        `segment ${segment.number} is not one of this source: find it here first`,
      );
    try {
      return await this.#readAt(place, segment, records, memory);
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'bad-chunk')) throw error;
      const other = await this.#elsewhere(place, segment.number, records);
      if (other === null) throw error;
      this.#noticed(`${error.message}; it is read from another chunk`);
      return this.read(...other, memory);
    }
  }

  /** The segment with this number; null when it is not here, or compaction left it out. */
  async segment(number: number): Promise<SegmentIndex | null> {
    const used = this.#chunkWith(number);
    if (used === undefined) return null;
    const read = await this.#indexOf(used.chunk, number, number);
    if (read === null) return this.segment(number);
    const entry = read.entries.find((entry) => entry.number === number);
    return entry === undefined ? null : this.#segmentOf(used.chunk, entry);
  }

  async close(): Promise<void> {
    this.#read.clear();
    this.#ahead = null;
  }

  async #readAt(
    place: Place,
    segment: SegmentIndex,
    records: readonly RecordIndex[],
    memory: ReadMemory | undefined,
  ): Promise<Buffer[]> {
    const found = new Array<Buffer>(records.length).fill(NO_BYTES);
    const ranges = rangesOf(records);
    const read = await this.#chunks.store.readRanges(
      place.path,
      ranges.map(({ from, to }) => ({ offset: place.dataAt + from, length: to - from })),
      memory,
    );
    for (const [i, { from, places }] of ranges.entries()) {
      const bytes = read[i] ?? NO_BYTES;
      for (const at of places) {
        const record = records[at];
        if (record === undefined) continue;
        const data = bytes.subarray(record.at - from, record.at - from + record.length);
        if (blockChecksum(data) !== record.checksum)
          throw new LogError(
            'bad-chunk',
            `${place.path}: record ${record.sequence} of segment ${segment.number} (block ${record.block}, ${record.length} bytes at ${place.dataAt + record.at}) does not match its checksum`,
          );
        found[at] = data;
      }
    }
    return found;
  }

  /** The same records in another chunk; null when none holds all of them. */
  async #elsewhere(
    { path }: Place,
    number: number,
    records: readonly RecordIndex[],
  ): Promise<[SegmentIndex, RecordIndex[]] | null> {
    const chunk = this.#found.find((chunk) => chunk.path === path);
    if (chunk === undefined || this.#avoided.has(path) || !this.#avoid(chunk)) return null;
    const segment = await this.segment(number);
    const bySequence = new Map(segment?.records.map((record) => [record.sequence, record]));
    const found = records.flatMap(({ sequence }) => bySequence.get(sequence) ?? []);
    return segment !== null && found.length === records.length ? [segment, found] : null;
  }

  /** Null: another chunk is to be used in its place, look again. */
  async #indexOf(chunk: FoundChunk, from: number, to: number): Promise<ReadChunk | null> {
    const known = this.#read.get(chunk.path);
    const read = known ?? (await (this.#takeAhead(chunk) ?? this.#chunks.read(chunk)));
    if (known === undefined) {
      this.#read.set(chunk.path, read);
      const [oldest] = this.#read.keys();
      if (this.#read.size > KEPT_INDEXES && oldest !== undefined) this.#read.delete(oldest);
    }
    const isLost = read.lost.some((lost) => lost.from <= to && lost.to >= from);
    return isLost && this.#avoid(chunk) ? null : read;
  }

  /** Begins to read the index of the chunk with this segment, while that of another one is gone through. */
  #readAhead(number: number): void {
    const chunk = this.#chunkWith(number)?.chunk;
    if (chunk === undefined || this.#read.has(chunk.path) || this.#ahead?.path === chunk.path) return;
    const read = this.#chunks.read(chunk);
    read.catch(() => undefined); // whoever asks for it is told
    this.#ahead = { path: chunk.path, read };
  }

  #takeAhead({ path }: FoundChunk): Promise<ReadChunk> | null {
    const ahead = this.#ahead;
    if (ahead?.path !== path) return null;
    this.#ahead = null;
    return ahead.read;
  }

  #chunkWith(number: number): Coverage<FoundChunk>['chunks'][number] | undefined {
    return this.#coverage.chunks.find(({ chunk, useFrom }) => useFrom <= number && number <= chunk.to);
  }

  /** Does without a chunk, if the others hold all that it holds. */
  #avoid(chunk: FoundChunk): boolean {
    const before = this.#coverage;
    this.#avoided.add(chunk.path);
    this.#cover();
    const isWhole =
      this.#coverage.gaps.length === before.gaps.length &&
      this.#coverage.chunks[0]?.useFrom === before.chunks[0]?.useFrom &&
      this.#coverage.chunks.at(-1)?.chunk.to === before.chunks.at(-1)?.chunk.to;
    if (isWhole) return true;
    this.#avoided.delete(chunk.path);
    this.#coverage = before;
    return false;
  }

  #cover(): void {
    this.#coverage = decideCoverage(this.#found, ({ path }) => this.#avoided.has(path));
  }

  #segmentOf(chunk: FoundChunk, entry: TlogIndexEntry): SegmentIndex {
    const segment = new ArchivedSegment(entry);
    this.#places.set(segment, { path: chunk.path, dataAt: entry.dataAt });
    return segment;
  }

  /** The gap that a number lies in. */
  #gapAt(number: number): { from: number; to: number } {
    const gap = this.#coverage.gaps.find(({ from, to }) => from <= number && number <= to) ?? {
      from: number,
      to: number,
    };
    const where = `no chunk in ${this.#chunks.folder} holds them`;
    this.#noticed(lostSentence(this.#chunks.vdisk, { ...gap, reason: where }));
    return gap;
  }
}

/** Entries and what is lost between them, of the segments from `from` to `to`, oldest first. */
function merged({ entries, lost }: ReadChunk, from: number, to: number): (TlogIndexEntry | LostSegments)[] {
  const items = [
    ...entries.filter(({ number }) => number >= from && number <= to),
    ...lost.filter((range) => range.from <= to && range.to >= from),
  ];
  if (lost.length === 0) return items;
  const placeOf = (item: TlogIndexEntry | LostSegments): number =>
    'reason' in item ? item.from : item.number;
  return items.sort((a, b) => placeOf(a) - placeOf(b));
}

function lostSentence(vdisk: string, { from, to, reason }: LostSegments): string {
  return `vdisk ${vdisk}: segments ${from} to ${to} are missing: ${reason}`;
}
