import type { Tier2Source } from './chunk/tier2-source.ts';
import type { LogSource, RecordIndex, SegmentIndex } from './log-source.ts';
import type { ReadMemory } from './store/read-memory.ts';

/**
 * A log as a whole: what was archived, and behind it the tail that was not. What both hold is given once. The archiver may
 * move the border meanwhile: it lets go of the tail only what was archived.
 */
export class JoinedSource implements LogSource {
  readonly #archived: Tier2Source;
  readonly #tail: LogSource;
  readonly #fromTail = new WeakSet<SegmentIndex>();

  /** Owns both sources from now on. */
  constructor(archived: Tier2Source, tail: LogSource) {
    this.#archived = archived;
    this.#tail = tail;
  }

  async *newestFirst(upTo?: number): AsyncIterable<SegmentIndex> {
    let lowest: number | null = null;
    for await (const segment of this.#tail.newestFirst(upTo)) {
      lowest = segment.number;
      this.#fromTail.add(segment);
      yield segment;
    }
    // Looked at behind the tail: what the archiver let go of the tail since then is here.
    await this.#archived.refresh();
    yield* this.#archived.newestBelow(lowest ?? Number.MAX_SAFE_INTEGER, upTo);
  }

  async newestNumber(): Promise<number> {
    const tail = await this.#tail.newestNumber();
    await this.#archived.refresh();
    return Math.max(tail, await this.#archived.newestNumber());
  }

  async *oldestFirst(from = 1): AsyncIterable<SegmentIndex> {
    // Everything up to this number was given, or lies before `from`.
    let done = 0;
    for (let isBehind = true; isBehind; ) {
      isBehind = false;
      await this.#archived.refresh();
      yield* this.#archived.oldestAbove(done, from);
      const archivedTo = this.#archived.range?.to ?? 0;
      const isNews = archivedTo > done;
      done = Math.max(done, archivedTo);
      for await (const segment of this.#tail.oldestFirst(from)) {
        if (segment.number <= done) continue;
        if (segment.number > done + 1 && segment.first > from) {
          // It was archived since, unless nothing new has been: then it is nowhere, and is left out.
          isBehind = isNews;
          if (isBehind) break;
        }
        this.#fromTail.add(segment);
        yield segment;
        done = segment.number;
      }
    }
  }

  async read(segment: SegmentIndex, records: readonly RecordIndex[], memory?: ReadMemory): Promise<Buffer[]> {
    if (!this.#fromTail.has(segment)) return this.#archived.read(segment, records, memory);
    try {
      return await this.#tail.read(segment, records);
    } catch (error) {
      // The archiver may have let it go since.
      const archived = await this.#archivedSince(segment, records);
      if (archived === null) throw error;
      return this.#archived.read(...archived, memory);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#archived.close(), this.#tail.close()]);
  }

  async #archivedSince(
    { number }: SegmentIndex,
    records: readonly RecordIndex[],
  ): Promise<[SegmentIndex, RecordIndex[]] | null> {
    await this.#archived.refresh();
    const segment = await this.#archived.segment(number);
    if (segment === null) return null;
    const bySequence = new Map(segment.records.map((record) => [record.sequence, record]));
    const found = records.flatMap(({ sequence }) => bySequence.get(sequence) ?? []);
    return found.length === records.length ? [segment, found] : null;
  }
}
