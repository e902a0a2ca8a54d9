import { codeOf, messageOf, pause } from '@salvor/service-kit';
import { LogError } from './log-error.ts';
import type { LogSource, RecordIndex, SegmentIndex } from './log-source.ts';
import { decodeSegment, logStream, logSubject } from './segment.ts';
import { segmentIndexOf } from './segment-index.ts';

/** What reading a tail needs of the streams; the bus has it. */
export interface TailStreams {
  readWindow(window: {
    stream: string;
    subject: string;
    from: number;
    upTo?: number;
    maxBytes: number;
  }): Promise<{ messages: readonly StreamMessage[]; next: number; end: boolean }>;
  last(stream: string, subject: string): Promise<StreamMessage | null>;
  message(stream: string, sequence: number): Promise<StreamMessage | null>;
  facts(stream: string, subject?: string): Promise<{ firstSequence: number; lastSequence: number }>;
}

interface StreamMessage {
  readonly sequence: number;
  readonly data: Buffer;
}

export interface TailSourceOptions {
  readonly streams: TailStreams;
  readonly container: number;
  readonly vdisk: string;
  /** Bytes of a window; two of them are held at most. */
  readonly windowBytes?: number;
}

const WINDOW_BYTES: number = 8 * 1024 * 1024;
/** Places in the stream that a window spans at first; the subject's share of them is what counts, and is learned. */
const FIRST_SPAN = 32;
const SPAN_MAX = 65_536;
const TRIES = 5;
const RETRY_MS = 200;

/** The tail of a log in JetStream: what is not archived yet, and what is but was not let go. */
export class TailSource implements LogSource {
  readonly #streams: TailStreams;
  readonly #stream: string;
  readonly #subject: string;
  readonly #windowBytes: number;
  /** Where each segment is that was told of; the bytes of those of the newest window. */
  readonly #places = new WeakMap<SegmentIndex, { readonly sequence: number; data: Buffer | null }>();
  #held: SegmentIndex[] = [];
  #closed = false;

  constructor({ streams, container, vdisk, windowBytes }: TailSourceOptions) {
    this.#streams = streams;
    this.#stream = logStream(container);
    this.#subject = logSubject(container, vdisk);
    this.#windowBytes = windowBytes ?? WINDOW_BYTES;
  }

  /** Windows are read forwards, as the server gives them, and told backwards. */
  async *newestFirst(upTo = Number.POSITIVE_INFINITY): AsyncGenerator<SegmentIndex> {
    const newest = await this.#asking(() => this.#streams.last(this.#stream, this.#subject));
    if (newest === null) return;
    const { firstSequence } = await this.#asking(() => this.#streams.facts(this.#stream));
    let span = FIRST_SPAN;
    for (let high = newest.sequence; high >= firstSequence; ) {
      const low = Math.max(firstSequence, high - span + 1);
      const messages = await this.#between(low, high);
      if (messages === null) {
        span = Math.max(1, Math.floor(span / 2));
        continue;
      }
      const bytes = messages.reduce((sum, { data }) => sum + data.length, 0);
      yield* this.#told(messages)
        .reverse()
        .filter(({ first }) => first <= upTo);
      high = low - 1;
      if (bytes < this.#windowBytes / 4) span = Math.min(SPAN_MAX, span * 2);
    }
  }

  /** A newest message that cannot be read stands for a number that nobody knows. */
  async newestNumber(): Promise<number> {
    const newest = await this.#asking(() => this.#streams.last(this.#stream, this.#subject));
    if (newest === null) return 0;
    try {
      return decodeSegment(newest.data).number;
    } catch (error) {
      if (error instanceof LogError) return Number.MAX_SAFE_INTEGER;
      throw error;
    }
  }

  async *oldestFirst(from = 1): AsyncGenerator<SegmentIndex> {
    let next = 1;
    for (;;) {
      const window = await this.#window(next, undefined);
      yield* this.#told(window.messages).filter(({ last, first }) => Math.max(last, first) >= from);
      if (window.end) return;
      next = window.next;
    }
  }

  async read(segment: SegmentIndex, records: readonly RecordIndex[]): Promise<Buffer[]> {
    const place = this.#places.get(segment);
    if (place === undefined)
      throw new LogError('store', `${this.#subject}: segment ${segment.number} is not one of this source`);
    const data = place.data ?? (await this.#dataAt(place.sequence, segment.number));
    return records.map(({ at, length }) => data.subarray(at, at + length));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#letGo();
  }

  async #dataAt(sequence: number, number: number): Promise<Buffer> {
    const message = await this.#asking(() => this.#streams.message(this.#stream, sequence));
    if (message === null)
      throw new LogError(
        'gap',
        `${this.#subject}: segment ${number} was let go of meanwhile; it is archived, read it from there`,
      );
    return decodeSegment(message.data).data;
  }

  /** All messages of the subject in a range of the stream, or null when they are more than a window. */
  async #between(low: number, high: number): Promise<StreamMessage[] | null> {
    const found: StreamMessage[] = [];
    let bytes = 0;
    for (let from = low; from <= high; ) {
      const { messages, next, end } = await this.#window(from, high);
      for (const message of messages) {
        if (message.sequence > high) continue;
        found.push(message);
        bytes += message.data.length;
      }
      if (end) break;
      // A range of one place has one message at most: it always fits.
      if (bytes >= this.#windowBytes && next <= high && low < high) return null;
      from = next;
    }
    return found;
  }

  #window(from: number, upTo: number | undefined): ReturnType<TailStreams['readWindow']> {
    return this.#asking(() =>
      this.#streams.readWindow({
        ...{ stream: this.#stream, subject: this.#subject, from, maxBytes: this.#windowBytes },
        ...(upTo === undefined ? {} : { upTo }),
      }),
    );
  }

  /** What cannot be read as a segment is left out: its number is missing then. */
  #told(messages: readonly StreamMessage[]): SegmentIndex[] {
    this.#letGo();
    for (const { sequence, data: bytes } of messages) {
      try {
        const segment = decodeSegment(bytes);
        const index = segmentIndexOf(segment);
        this.#places.set(index, { sequence, data: segment.data });
        this.#held.push(index);
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
      }
    }
    return [...this.#held];
  }

  #letGo(): void {
    for (const index of this.#held) {
      const place = this.#places.get(index);
      if (place !== undefined) place.data = null;
    }
    this.#held = [];
  }

  /** A server that is away for a moment is asked again. @throws LogError `unavailable` */
  async #asking<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new LogError('unavailable', `${this.#subject}: the source is closed`);
      try {
        return await ask();
      } catch (error) {
        if (attempt >= TRIES || codeOf(error) === 'bus-closed')
          throw new LogError('unavailable', `${this.#subject} cannot be read: ${messageOf(error)}`);
        await pause(RETRY_MS * attempt);
      }
    }
  }
}
