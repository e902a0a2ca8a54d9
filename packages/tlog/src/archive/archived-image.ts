import type { LogSource, RecordIndex, SegmentIndex } from '../log-source.ts';
import { RecordColumns } from '../record-columns.ts';

/** Blocks whose places are held at once: 8 bytes each. */
const SPAN_BLOCKS: number = 1 << 22;
const SPANS_KEPT = 2;

interface Span {
  readonly segments: readonly SegmentIndex[];
  /** By block: which of the segments has its newest record, from 1 on; 0: zeros. */
  readonly segmentOf: Uint32Array;
  readonly recordOf: Uint32Array;
}

/**
 * The newest content of every block of a log, as one image: an index over all of it (block -> newest record) is made first, so
 * that blocks are read in their order, each once.
 */
export class ArchivedImage {
  readonly #source: LogSource;
  readonly #blockSize: number;
  readonly #base: number | null;
  readonly #spans = new Map<number, Promise<Span>>();

  /** Does not own the source. @param base of records from this one on, in place of those of the newest base */
  constructor(source: LogSource, blockSize: number, base: number | null = null) {
    this.#source = source;
    this.#blockSize = blockSize;
    this.#base = base;
  }

  /** Whole blocks, null for zeros. @throws LogError `bad-chunk`, `store` */
  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const found: (Buffer | null)[] = blocks.map(() => null);
    const wanted = new Map<SegmentIndex, { readonly place: number; readonly record: RecordIndex }[]>();
    for (const [place, block] of blocks.entries()) {
      const span = await this.#spanOf(block);
      const at = block % SPAN_BLOCKS;
      const segment = span.segments[(span.segmentOf[at] ?? 0) - 1];
      if (segment === undefined) continue;
      const record = columnsOf(segment).at(span.recordOf[at] ?? 0);
      if (record.length === 0) continue;
      const some = wanted.get(segment);
      if (some === undefined) wanted.set(segment, [{ place, record }]);
      else some.push({ place, record });
    }
    for (const [segment, some] of wanted) {
      const inOrder = some.toSorted((a, b) => a.record.at - b.record.at);
      const data = await this.#source.read(
        segment,
        inOrder.map(({ record }) => record),
      );
      for (const [i, { place }] of inOrder.entries()) found[place] = this.#whole(data[i]);
    }
    return found;
  }

  #whole(data: Buffer | undefined): Buffer | null {
    if (data === undefined) return null;
    if (data.length === this.#blockSize) return data;
    const whole = Buffer.alloc(this.#blockSize);
    data.copy(whole);
    return whole;
  }

  #spanOf(block: number): Promise<Span> {
    const index = Math.floor(block / SPAN_BLOCKS);
    const known = this.#spans.get(index);
    if (known !== undefined) return known;
    const span = this.#index(index * SPAN_BLOCKS);
    span.catch(() => this.#spans.delete(index));
    this.#spans.set(index, span);
    const [oldest] = this.#spans.keys();
    if (this.#spans.size > SPANS_KEPT && oldest !== undefined) this.#spans.delete(oldest);
    return span;
  }

  async #index(from: number): Promise<Span> {
    const segmentOf = new Uint32Array(SPAN_BLOCKS);
    const recordOf = new Uint32Array(SPAN_BLOCKS);
    const segments: SegmentIndex[] = [];
    let base = this.#base;
    for await (const segment of this.#source.newestFirst()) {
      base ??= segment.base;
      const columns = columnsOf(segment);
      let isUsed = false;
      for (let i = columns.count - 1; i >= 0; i--) {
        const at = columns.block(i) - from;
        if (at < 0 || at >= SPAN_BLOCKS || columns.sequence(i) < base || segmentOf[at] !== 0) continue;
        segmentOf[at] = segments.length + 1;
        recordOf[at] = i;
        isUsed = true;
      }
      if (isUsed) segments.push(segment);
      if ((segment.covers?.first ?? segment.first) <= base) break;
    }
    return { segments, segmentOf, recordOf };
  }
}

function columnsOf(segment: SegmentIndex): RecordColumns {
  return segment.columns ?? RecordColumns.of(segment.records);
}
