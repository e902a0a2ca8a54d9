import type { TlogSegment } from '@salvor/contracts';
import { codeOf } from '@salvor/service-kit';
import { ChunkBuilder } from '../chunk/chunk-file.ts';
import { decideCoverage } from '../chunk/coverage.ts';
import type { FoundChunk, VdiskChunks } from '../chunk/vdisk-chunks.ts';
import { LogError } from '../log-error.ts';
import { decodeSegment, lastSequence, logStream, logSubject } from '../segment.ts';

/** What the archiver needs of the streams; the bus has it. */
export interface ArchiveStreams {
  readWindow(window: { stream: string; subject: string; from: number; maxBytes: number }): Promise<{
    messages: readonly { readonly sequence: number; readonly data: Buffer }[];
    next: number;
    end: boolean;
  }>;
  /** Removes the messages of a subject below `before`. */
  purge(stream: string, subject: string, before: number): Promise<number>;
}

export interface ArchiveLimits {
  /** A chunk of so many bytes is written at once. */
  readonly chunkBytes: number;
  /** What waits for so long is written, however little it is. */
  readonly maxAgeMs: number;
}

/** How far the archive of a vdisk is. */
export interface Archived {
  /** Number of the last segment that it holds, and the sequence that it ends with. */
  readonly number: number;
  readonly sequence: number;
  readonly chunks: number;
  readonly bytes: number;
}

export interface MissingSegments {
  readonly from: number;
  readonly to: number;
  /** Last sequence before them, and the first one behind them. */
  readonly after: number;
  readonly before: number;
  readonly reason: string;
}

export interface VdiskArchiverOptions extends ArchiveLimits {
  readonly chunks: VdiskChunks;
  readonly streams: ArchiveStreams;
  readonly container: number;
  /** Number of the last segment of an earlier log under this name. */
  readonly after: number;
  /** Called once a chunk is stored and was read back, before Tier-1 lets go of it. Rejects when this process may not go on. */
  readonly record: (archived: Archived) => Promise<void>;
  /** Segments that Tier-1 should hold and does not. Rejects when that could not be told. */
  readonly missing: (missing: MissingSegments) => Promise<void>;
  readonly nowMs: () => number;
}

/** Of one read of Tier-1. */
const WINDOW_BYTES: number = 8 * 1024 * 1024;

/**
 * Moves the log of one vdisk from Tier-1 to Tier-2. What it has done is seen from the chunks that lie there, so it may die at any
 * moment: at worst a chunk is written that others cover, which readers do not mind.
 */
export class VdiskArchiver {
  readonly #options: VdiskArchiverOptions;
  readonly #stream: string;
  readonly #subject: string;
  #builder: ChunkBuilder | null = null;
  #oldestAtMs = 0;
  /** In the stream: of the last segment of the open chunk, and where to read on. */
  #builtTo = 0;
  #next = 1;
  #isAtEnd = false;
  #archived: Archived | null = null;
  #lastSequence = 0;
  /** Stream sequence up to which chunks are stored, while that is neither recorded nor let go of; null: all is. */
  #unsettled: number | null = null;
  /** A chunk that is archived again, because not all of it can be read. */
  #torn: FoundChunk | null = null;

  constructor(options: VdiskArchiverOptions) {
    this.#options = options;
    this.#stream = logStream(options.container);
    this.#subject = logSubject(options.container, options.chunks.vdisk);
  }

  /** Null until the first step has looked. */
  get archived(): Archived | null {
    return this.#archived;
  }

  /** Held in memory until the chunk is written. */
  get pendingBytes(): number {
    return this.#builder?.bytes ?? 0;
  }

  /** How long the oldest segment that is not archived waits, in milliseconds, as far as this process has seen it. */
  get lagMs(): number {
    return this.#builder === null ? 0 : this.#options.nowMs() - this.#oldestAtMs;
  }

  /**
   * Takes what is new, and writes the chunks that are due.
   *
   * @param flush write what there is, however little
   * @returns whether there may be more to do at once
   * @throws LogError `store` when Tier-2 is away; what streams and `record` throw. The next step goes on.
   */
  async step({ flush = false } = {}): Promise<boolean> {
    this.#archived ??= await this.#resume();
    if (this.#unsettled !== null) await this.#settle();
    if (this.#isDue(false)) await this.#write();
    const window = await this.#options.streams.readWindow({
      ...{ stream: this.#stream, subject: this.#subject, from: this.#next },
      maxBytes: Math.min(WINDOW_BYTES, this.#options.chunkBytes),
    });
    for (const { sequence, data } of window.messages) {
      await this.#take(sequence, data);
      this.#next = sequence + 1;
    }
    this.#next = window.next;
    this.#isAtEnd = window.end;
    if (this.#isDue(flush)) await this.#write();
    if (this.#unsettled !== null) await this.#settle();
    return !this.#isAtEnd;
  }

  async #take(streamSequence: number, data: Buffer): Promise<void> {
    let segment: TlogSegment;
    try {
      segment = decodeSegment(data);
    } catch (error) {
      // Its number is missing behind it; that is told then, with what it should have held.
      if (error instanceof LogError) return;
      throw error;
    }
    const expected = this.#expected();
    if (segment.number < expected) {
      // Who stored it died before Tier-1 let go of it, or it is the last one, which stays.
      if (segment.number <= (this.#archived?.number ?? 0)) this.#unsettled = streamSequence;
      return;
    }
    if (segment.number > expected) {
      // A chunk holds segments without a gap.
      if (this.#builder !== null) await this.#write();
      const isFirst = (this.#archived?.number ?? 0) === 0 && this.#builder === null;
      await this.#options.missing({
        ...{ from: expected, to: segment.number - 1, after: this.#lastSequence, before: segment.first },
        reason: isFirst
          ? `Tier-1 begins with segment ${segment.number}, and nothing before it was archived`
          : `Tier-1 has segment ${segment.number} behind ${expected - 1}`,
      });
    }
    this.#builder ??= new ChunkBuilder(this.#options.chunks.vdisk, segment.number);
    if (this.#builder.segments === 0) this.#oldestAtMs = this.#options.nowMs();
    this.#builder.add(segment, data);
    this.#builtTo = streamSequence;
    this.#lastSequence = lastSequence(segment);
    if (this.#isDue(false)) await this.#write();
  }

  #expected(): number {
    return (this.#builder?.to ?? this.#archived?.number ?? 0) + 1;
  }

  #isDue(flush: boolean): boolean {
    const { chunkBytes, maxAgeMs } = this.#options;
    const builder = this.#builder;
    if (builder === null) return false;
    return flush || builder.isFull || builder.bytes >= chunkBytes || this.lagMs >= maxAgeMs;
  }

  async #write(): Promise<void> {
    const builder = this.#builder;
    if (builder === null || this.#archived === null) return;
    const { chunks } = this.#options;
    const files = builder.finish();
    const written = await chunks.write(files);
    const { number, ...before } = this.#archived;
    this.#archived = {
      number: Math.max(number, files.name.to),
      sequence: files.name.last,
      chunks: before.chunks + 1,
      bytes: before.bytes + files.chunkBytes,
    };
    this.#builder = null;
    this.#unsettled = this.#builtTo;
    const torn = this.#torn;
    if (torn !== null && this.#archived.number >= torn.to) {
      if (torn.path !== written.path) await chunks.delete(torn);
      this.#torn = null;
    }
    await this.#settle();
  }

  /** Tells how far the archive is, and lets go of what it holds. */
  async #settle(): Promise<void> {
    if (this.#archived === null || this.#unsettled === null) return;
    await this.#options.record(this.#archived);
    // The last one stays: whoever writes the log next sees from it where the log is.
    await this.#options.streams.purge(this.#stream, this.#subject, this.#unsettled);
    this.#unsettled = null;
  }

  /** Sees from Tier-2 where to go on. */
  async #resume(): Promise<Archived> {
    const { chunks, after } = this.#options;
    await chunks.store.tidy(chunks.folder);
    const found = (await chunks.list()).filter(({ to }) => to > after);
    const torn = await this.#tornOf(decideCoverage(found).chunks.at(-1)?.chunk);
    const coverage = decideCoverage(found.filter((chunk) => chunk !== torn));
    const newest = coverage.chunks.at(-1)?.chunk;
    if (this.#builder === null) this.#lastSequence = newest?.last ?? 0;
    return {
      number: Math.max(newest?.to ?? 0, after),
      sequence: newest?.last ?? 0,
      chunks: coverage.chunks.length,
      bytes: coverage.chunks.reduce((sum, { chunk }) => sum + chunk.sizeBytes, 0),
    };
  }

  /**
   * The newest chunk is read as a whole: Tier-1 may still have what cannot be read from it. If so, it is archived again, from
   * what can be read and from Tier-1, and then the bad file gives way. If not, it stays as it is.
   */
  async #tornOf(newest: FoundChunk | undefined): Promise<FoundChunk | null> {
    if (newest === undefined || newest.pass > 0) return null;
    const { chunks, streams, nowMs } = this.#options;
    const { lost } = await chunks.scan(newest, 'it is the newest one');
    const [first] = lost;
    if (first === undefined) return null;
    const window = await streams.readWindow({
      ...{ stream: this.#stream, subject: this.#subject, from: 1, maxBytes: 1 },
    });
    const oldest = numberOf(window.messages[0]?.data);
    if (oldest === null || oldest > first.from) return null;
    this.#torn = newest;
    const builder = new ChunkBuilder(chunks.vdisk, newest.from);
    for await (const segment of chunks.segments(newest, first.from - 1)) {
      builder.add(segment);
      this.#lastSequence = lastSequence(segment);
    }
    if (builder.segments > 0) {
      this.#builder = builder;
      this.#oldestAtMs = nowMs();
    }
    return newest;
  }
}

function numberOf(data: Buffer | undefined): number | null {
  if (data === undefined) return null;
  try {
    return decodeSegment(data).number;
  } catch (error) {
    if (codeOf(error) === 'bad-segment') return null;
    throw error;
  }
}
