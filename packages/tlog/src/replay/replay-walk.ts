import { LogError } from '../log-error.ts';
import type { RecordIndex, SegmentIndex } from '../log-source.ts';
import { RecordColumns } from '../record-columns.ts';
import { BlockBitmap } from './block-bitmap.ts';
import type { WantedBlocks } from './wanted-blocks.ts';

/** Records that a log should have and does not. Numbers are those of segments; `toNumber` < `fromNumber`: none is known to be missing. */
export interface LogGap {
  readonly fromSequence: number;
  readonly toSequence: number;
  readonly fromNumber: number;
  readonly toNumber: number;
}

export interface WalkStep {
  /** The records that say what a wanted block holds, with rising sequences. */
  readonly records: readonly RecordIndex[];
  /** What is missing between this segment and the newer one before it. */
  readonly gap: LogGap | null;
  /** Nothing older matters. */
  readonly isLast: boolean;
}

const NOTHING: WalkStep = { records: [], gap: null, isLast: false };

export interface WalkOptions {
  readonly vdisk: string;
  readonly wanted: WantedBlocks;
  /** State after this sequence. */
  readonly upTo: number;
  /** Records that cannot be read: they count as not there, and so do their blocks' newest contents. */
  readonly unreadable?: ReadonlySet<number>;
}

/**
 * Decides, segment by segment from the newest one on, which records say what the wanted blocks held after a sequence. The
 * first record that names a block counts; what none names down to the base is zeros. Pure: it reads nothing.
 */
export class ReplayWalk {
  readonly #vdisk: string;
  readonly #wanted: WantedBlocks;
  readonly #upTo: number;
  readonly #unreadable: ReadonlySet<number>;
  readonly #restored = new BlockBitmap();
  readonly #content = new BlockBitmap();
  readonly #gaps: LogGap[] = [];
  #provenBeforeGap: BlockBitmap | null = null;
  #base: number | null = null;
  #newer: { readonly number: number; readonly first: number; readonly isCompacted: boolean } | null = null;

  constructor({ vdisk, wanted, upTo, unreadable }: WalkOptions) {
    this.#vdisk = vdisk;
    this.#wanted = wanted;
    this.#upTo = upTo;
    this.#unreadable = unreadable ?? new Set();
  }

  /** Where the base begins that the state builds on; null before the first segment. */
  get base(): number | null {
    return this.#base;
  }

  get upTo(): number {
    return this.#upTo;
  }

  /** Sequences from here up to `upTo` were looked at. */
  get reached(): number {
    return Math.min(this.#newer?.first ?? this.#upTo + 1, this.#upTo + 1);
  }

  /** Blocks whose content is known by now, zeros among them. */
  get restored(): BlockBitmap {
    return this.#restored;
  }

  /** Those of them that are not zeros by a record of their own. */
  get content(): BlockBitmap {
    return this.#content;
  }

  get left(): number {
    return this.#wanted.count - this.#restored.count;
  }

  /** Gaps that were met, newest first. */
  get gaps(): readonly LogGap[] {
    return this.#gaps;
  }

  /** Whether the content of a wanted block is proven: no missing record can have changed it later. */
  isProven(block: number): boolean {
    return this.#provenBeforeGap === null || this.#provenBeforeGap.has(block);
  }

  get unprovenCount(): number {
    return this.#provenBeforeGap === null ? 0 : this.#wanted.count - this.#provenBeforeGap.count;
  }

  /**
   * The next older segment.
   *
   * @throws LogError `not-restorable`, `bad-segment`
   */
  take(segment: SegmentIndex): WalkStep {
    const { number, last, covers } = segment;
    const first = covers?.first ?? segment.first;
    // Two sources may both have it.
    if (this.#newer !== null && number >= this.#newer.number) return NOTHING;
    const columns = segment.columns ?? RecordColumns.of(segment.records);
    const isAfter = this.#isAfter(segment.base, columns.count, first);
    if (!isAfter) this.#assertExact(segment);
    const gap = isAfter ? null : this.#gapBehind(segment);
    if (this.#newer !== null && last >= this.#newer.first)
      throw this.#bad(
        `segment ${number} ends with sequence ${last}, and a newer one begins with ${this.#newer.first}`,
      );
    this.#newer = { number: covers?.number ?? number, first, isCompacted: covers !== undefined };
    if (isAfter) return NOTHING;
    this.#base ??= this.#baseOf(segment);
    const base = this.#base;
    const missing = gap === null || gap.toSequence < base ? null : { ...gap };
    if (missing !== null) this.#note({ ...missing, fromSequence: Math.max(base, missing.fromSequence) });
    const taken = this.#takeRecords(columns, base);
    return {
      records: taken.reverse(),
      gap: missing === null ? null : (this.#gaps.at(-1) ?? null),
      isLast: this.left === 0 || first <= base,
    };
  }

  /**
   * There are no older segments.
   *
   * @returns what is missing down to the base
   * @throws LogError `not-restorable`
   */
  end(): LogGap | null {
    const base = this.#base;
    const newer = this.#newer;
    if (base === null || newer === null)
      throw this.#notRestorable(
        newer === null
          ? 'the log has no segments'
          : `the log begins with sequence ${newer.first}, after ${this.#upTo}`,
      );
    if (this.left === 0 || newer.first <= base) return null;
    const gap = {
      ...{ fromSequence: base, toSequence: newer.first - 1, fromNumber: 1, toNumber: newer.number - 1 },
    };
    this.#note(gap);
    return gap;
  }

  /** Newest first: the first one that names a block counts. */
  #takeRecords(columns: RecordColumns, base: number): RecordIndex[] {
    const taken: RecordIndex[] = [];
    for (let i = columns.count - 1; i >= 0 && this.left > 0; i--) {
      const sequence = columns.sequence(i);
      if (sequence > this.#upTo) continue;
      if (sequence < base) break;
      const block = columns.block(i);
      if (!this.#wanted.has(block) || this.#unreadable.has(sequence) || !this.#restored.add(block)) continue;
      if (columns.length(i) > 0) this.#content.add(block);
      taken.push(columns.at(i));
    }
    return taken;
  }

  #note(gap: LogGap): void {
    this.#gaps.push(gap);
    this.#provenBeforeGap ??= this.#restored.copy();
  }

  /** What is missing between a segment and the newer one, as far as it is about sequences up to the one that is asked for. */
  #gapBehind({ number, last, covers }: SegmentIndex): LogGap | null {
    const newer = this.#newer;
    if (newer === null) {
      if (last < this.#upTo)
        throw this.#notRestorable(`the log ends with sequence ${last}, before ${this.#upTo}`);
      return null;
    }
    const gap = {
      fromSequence: last + 1,
      toSequence: Math.min(newer.first - 1, this.#upTo),
      fromNumber: number + 1,
      toNumber: newer.number - 1,
    };
    // Marks carry no record: without them nothing is lost. What was compacted leaves sequences out.
    if (gap.fromSequence > gap.toSequence) return null;
    if (gap.toNumber < gap.fromNumber && (newer.isCompacted || covers !== undefined)) return null;
    return gap;
  }

  /** A mark right behind the sequence belongs to the state, but where it only says that the log was not whole any more. */
  #isAfter(base: number, records: number, first: number): boolean {
    if (records > 0) return first > this.#upTo;
    return base < 1 ? first > this.#upTo : first > this.#upTo + 1;
  }

  #assertExact({ number, covers }: SegmentIndex): void {
    if (this.#base !== null || covers === undefined || this.#upTo >= covers.exactFrom) return;
    throw this.#notRestorable(
      `segment ${number} was compacted: it tells the state after sequence ${covers.exactFrom} and later, not the one after ${this.#upTo}`,
    );
  }

  #baseOf({ number, base }: SegmentIndex): number {
    if (base >= 1 && base <= this.#upTo + 1) return base;
    throw this.#notRestorable(
      base < 1
        ? `no complete base was in the log when segment ${number} was written`
        : `segment ${number} builds on a base that begins with sequence ${base}, after ${this.#upTo}`,
    );
  }

  #notRestorable(why: string): LogError {
    return new LogError(
      'not-restorable',
      `vdisk ${this.#vdisk}: the state after sequence ${this.#upTo} cannot be restored: ${why}`,
    );
  }

  #bad(what: string): LogError {
    return new LogError('bad-segment', `vdisk ${this.#vdisk}: ${what}`);
  }
}
