import type { TlogSegment } from '@salvor/contracts';
import { ChunkBuilder } from '../chunk/chunk-file.ts';
import { decideCoverage } from '../chunk/coverage.ts';
import type { VdiskChunks } from '../chunk/vdisk-chunks.ts';
import { LogError } from '../log-error.ts';
import { blockChecksum, lastSequence, SEGMENT_MAX_BYTES } from '../segment.ts';

/** With what a log ends. */
export interface ArchiveEnd {
  /** Of the last segment; 0: there is none. */
  readonly number: number;
  /** Last record. */
  readonly sequence: number;
}

/** What blocks that were compared are written as. */
export interface ComparedAs {
  readonly epoch: number;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  /** Record with which the base begins that they are part of, or build on. */
  readonly base: number;
  readonly blockSize: number;
}

export interface ArchiveWriterOptions {
  readonly chunks: VdiskChunks;
  readonly end: ArchiveEnd;
  readonly chunkBytes: number;
  /** Later than that of every writer before it: what one of those still stores does not count. Default 0: there is no other. */
  readonly epoch?: number;
  /** Asked before each chunk. Rejects when this process may not go on. */
  readonly mayGoOn: () => Promise<void>;
}

/** Of the bytes of a segment that is made of blocks. */
const PIECE_BYTES: number = SEGMENT_MAX_BYTES / 2;
const RECORDS_MAX = 4_096;

/**
 * Writes the log of an archive, which numbers its segments and records by itself, behind what is there. What was added is in
 * Tier-2 once it was flushed; what was not is lost with the process, and is added again.
 */
export class ArchiveWriter {
  readonly #options: ArchiveWriterOptions;
  #end: ArchiveEnd;
  #stored: ArchiveEnd;
  #pending: TlogSegment[] = [];
  #bytes = 0;
  /** Blocks that are no segment yet. */
  #blocks: { readonly block: number; readonly data: Buffer | null }[] = [];
  #blockBytes = 0;
  #as: ComparedAs | null = null;
  #isLoose = true;

  constructor(options: ArchiveWriterOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#stored = options.end;
  }

  /** With what was added. */
  get end(): ArchiveEnd {
    return this.#end;
  }

  /** What is in Tier-2. */
  get stored(): ArchiveEnd {
    return this.#stored;
  }

  get pendingBytes(): number {
    return this.#bytes + this.#blockBytes;
  }

  get isDue(): boolean {
    return this.pendingBytes >= this.#options.chunkBytes;
  }

  /**
   * Adds a segment that is numbered as the next one.
   *
   * @throws LogError `bad-segment`
   */
  add(segment: TlogSegment): void {
    this.#cutBlocks();
    const { number, first } = segment.covers ?? segment;
    // Of what was compacted, the last records of a segment may have been left out.
    const isLoose = this.#isLoose || segment.covers !== undefined;
    const expected = this.#end.sequence + 1;
    if (number !== this.#end.number + 1 || first < expected || (first > expected && !isLoose))
      throw new LogError(
        'bad-segment',
        `expected segment ${this.#end.number + 1} from record ${expected} on, found segment ${number} from record ${first} on`,
      );
    this.#isLoose = segment.covers !== undefined;
    this.#pending.push(segment);
    this.#bytes += segment.data.length + 64 * segment.records.length;
    this.#end = {
      number: segment.number,
      sequence: Math.max(lastSequence(segment), this.#end.sequence),
    };
  }

  /** Blocks as they were at some moment: no state among them can be restored. Null: zeros. */
  addCompared(
    blocks: readonly { readonly block: number; readonly data: Buffer | null }[],
    as: ComparedAs,
  ): void {
    this.#as = as;
    for (const { block, data } of blocks) {
      // The buffer that it came in is larger.
      this.#blocks.push({ block, data: data === null ? null : Buffer.from(data) });
      this.#blockBytes += data?.length ?? 0;
      if (this.#blockBytes >= PIECE_BYTES || this.#blocks.length >= RECORDS_MAX) this.#cutBlocks();
    }
  }

  /** What follows has later numbers: nothing is there yet, or what lies between is lost. Nothing may be pending. */
  goOnFrom(end: ArchiveEnd): void {
    if (this.pendingBytes > 0 || this.#pending.length > 0 || end.number < this.#end.number)
      throw new RangeError(`expected to go on from segment ${this.#end.number}, found ${end.number}`);
    this.#end = end;
    this.#stored = end;
    this.#isLoose = true;
  }

  /** What was added and is not stored is not written. */
  forget(): void {
    this.#pending = [];
    this.#bytes = 0;
    this.#blocks = [];
    this.#blockBytes = 0;
    this.#end = this.#stored;
    this.#isLoose = true;
  }

  /** A segment without records: the state before it can be restored. */
  addMark(as: ComparedAs): void {
    this.#cutBlocks();
    this.add(this.#segment([], as, false));
  }

  /** Stores what was added. @throws LogError `store`; what `mayGoOn` throws */
  async flush(): Promise<void> {
    this.#cutBlocks();
    const [first] = this.#pending;
    if (first === undefined) return;
    const { chunks, mayGoOn, epoch = 0 } = this.#options;
    // In one that leaves segments out, or has such that tell no state, not every number must be found.
    const pass = this.#pending.some(({ covers }) => covers !== undefined) ? 1 : 0;
    const from = first.covers?.number ?? first.number;
    const builder = new ChunkBuilder(chunks.vdisk, from, { pass, epoch });
    for (const segment of this.#pending) builder.add(segment);
    await mayGoOn();
    const covered = first.covers === undefined ? {} : { first: first.covers.first };
    await chunks.write(builder.finish({ ...covered, last: this.#end.sequence }));
    this.#pending = [];
    this.#bytes = 0;
    this.#stored = this.#end;
  }

  #cutBlocks(): void {
    const as = this.#as;
    const blocks = this.#blocks;
    if (as === null || blocks.length === 0) return;
    this.#blocks = [];
    this.#blockBytes = 0;
    this.add(this.#segment(blocks, as, true));
  }

  #segment(
    blocks: readonly { readonly block: number; readonly data: Buffer | null }[],
    { epoch, at, base, blockSize }: ComparedAs,
    isUnclean: boolean,
  ): TlogSegment {
    const number = this.#end.number + 1;
    const first = this.#end.sequence + 1;
    const records = blocks.map(({ block, data }, i) => ({
      ...{ sequence: first + i, block, length: data?.length ?? 0 },
      checksum: data === null ? 0 : blockChecksum(data),
    }));
    const last = first + records.length - 1;
    return {
      ...{ vdisk: this.#options.chunks.vdisk, number, epoch, generation: 0, kind: 'writes', name: '' },
      ...{ first, firstAt: at, lastAt: at, base, blockSize, positions: [], records },
      covers: isUnclean ? { number, first, exactFrom: last + 1 } : undefined,
      data: Buffer.concat(blocks.flatMap(({ data }) => data ?? [])),
    };
  }
}

/** How far what lies there reaches without a gap from its newest part on; zeros: nothing lies there. @throws LogError `store` */
export async function archiveEnd(chunks: VdiskChunks): Promise<ArchiveEnd> {
  const newest = decideCoverage(await chunks.list()).chunks.at(-1)?.chunk;
  return newest === undefined ? { number: 0, sequence: 0 } : { number: newest.to, sequence: newest.last };
}

/** A segment of another log as it is in an archive. */
export function renumbered(
  segment: TlogSegment,
  {
    vdisk,
    numberBy,
    sequenceBy,
    base,
    exactFrom,
  }: {
    readonly vdisk: string;
    /** Added to its number, and to its sequences. */
    readonly numberBy: number;
    readonly sequenceBy: number;
    /** Record of the archive with which its base begins. */
    readonly base: number;
    /** Of a segment that tells no state before this record of the archive. */
    readonly exactFrom?: number;
  },
): TlogSegment {
  const { covers, kind } = segment;
  const number = segment.number + numberBy;
  const first = segment.first + sequenceBy;
  const covered =
    covers === undefined
      ? { number, first, exactFrom: 0 }
      : {
          number: covers.number + numberBy,
          first: covers.first + sequenceBy,
          exactFrom: covers.exactFrom + sequenceBy,
        };
  const from = Math.max(covered.exactFrom, exactFrom ?? 0);
  return {
    ...segment,
    ...{ vdisk, number, first, base, positions: [] },
    kind: kind === 'begin' || kind === 'snapshot' ? kind : 'writes',
    records: segment.records.map((record) => ({ ...record, sequence: record.sequence + sequenceBy })),
    covers: from > 0 ? { ...covered, exactFrom: from } : undefined,
  };
}
