import type { LogStreamPort } from '@salvor/bus';
import type { Generation, LogSegment } from '@salvor/config-store';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';
import { generationToken } from './decide-spent.ts';
import { joined } from './joined-segments.ts';
import type { SourceSegment } from './source-log.ts';
import { logSegmentOf } from './zone-log.ts';

export interface ReceivedLogOptions {
  readonly streams: LogStreamPort;
  /** Of the log that the vdisk has in this zone. */
  readonly container: number;
  readonly vdisk: string;
  /** That the segments belong to. */
  readonly generation: Generation;
}

const WINDOW_BYTES: number = 4 * 1024 * 1024;

/**
 * What arrived from another zone, small segments joined, in the log stream of this zone: from here it is applied, so that what arrived is
 * not lost with the other zone.
 */
export class ReceivedLog {
  readonly #options: ReceivedLogOptions;
  readonly #stream: string;
  readonly #subject: string;
  #newest = 0;
  #head: LogSegment | null = null;
  /** By place: the last record of what was read or stored here and may be needed. */
  readonly #messages = new Map<number, { readonly last: number; readonly bytes: number }>();
  /** All that is in it is among them. */
  #isIndexed = false;

  private constructor(options: ReceivedLogOptions) {
    const { container, vdisk, generation } = options;
    this.#options = options;
    this.#stream = logStream(container);
    this.#subject = `${logSubject(container, vdisk)}.received.${generationToken(generation)}`;
  }

  /** Opens it, and tells the last record that is in it; 0: nothing is. @throws BusError; LogError `bad-segment` */
  static async open(options: ReceivedLogOptions): Promise<{ log: ReceivedLog; last: number }> {
    const log = new ReceivedLog(options);
    const newest = await options.streams.last(log.#stream, log.#subject);
    if (newest === null) {
      log.#isIndexed = true;
      return { log, last: 0 };
    }
    const segment = decodeSegment(newest.data);
    log.#newest = newest.sequence;
    log.#head = logSegmentOf(segment);
    return { log, last: lastSequence(segment) };
  }

  /** The newest segment that is in it, of the log that it came from; null: nothing is. */
  get head(): LogSegment | null {
    return this.#head;
  }

  /** Bytes of what has records behind this one. @throws BusError; LogError `bad-segment` */
  async bytesBehind(record: number): Promise<number> {
    await this.#index();
    let sum = 0;
    for (const { last, bytes } of this.#messages.values()) if (last > record) sum += bytes;
    return sum;
  }

  /** Resolves when this zone has all of it. @throws BusError `wrong-last-sequence`: another process stores here; `stream-full`, … */
  async store(segments: readonly SourceSegment[]): Promise<void> {
    const { streams } = this.#options;
    for (const { bytes: data, segment } of joined(segments)) {
      const last = lastSequence(segment);
      const id = `${this.#subject}:${segment.epoch}:${segment.number}:${this.#newest}`;
      const { seq } = await streams.publish({
        subject: this.#subject,
        data,
        id,
        expectedLastSequence: this.#newest,
      });
      this.#newest = seq;
      this.#head = logSegmentOf(segment);
      this.#messages.set(seq, { last, bytes: data.length });
    }
  }

  /** What is in it behind a record, oldest first, a window at a time. @throws BusError; LogError `bad-segment` */
  async *behind(record: number): AsyncGenerator<SourceSegment[]> {
    for (let from = 1; ; ) {
      const { streams } = this.#options;
      const window = await streams.readWindow({
        ...{ stream: this.#stream, subject: this.#subject, from, maxBytes: WINDOW_BYTES },
      });
      const found = window.messages.map(({ data: bytes, sequence }) => ({
        ...{ bytes, sequence, segment: decodeSegment(bytes) },
      }));
      for (const { bytes, sequence, segment } of found)
        this.#messages.set(sequence, { last: lastSequence(segment), bytes: bytes.length });
      const segments = found
        .map(({ bytes, segment }) => ({ bytes, segment }))
        .filter(({ segment }) => lastSequence(segment) > record);
      if (segments.length > 0) yield segments;
      if (window.end) return;
      from = window.next;
    }
  }

  /**
   * Lets go of what has no record behind this one, but for the newest: it is applied, and in the vdisk's own log. What an earlier
   * process, or this one before, has stored and not applied is read first: it is not let go of unseen.
   */
  async letGo(record: number): Promise<void> {
    await this.#index();
    const needed = [...this.#messages].filter(([, { last }]) => last > record).map(([place]) => place);
    const keepFrom = Math.min(this.#newest, ...needed);
    if (keepFrom > 1) await this.#options.streams.purge(this.#stream, this.#subject, keepFrom);
    for (const place of [...this.#messages.keys()]) if (place < keepFrom) this.#messages.delete(place);
  }

  /** Lets go of everything: another state takes its place. */
  async clear(): Promise<void> {
    if (this.#newest === 0) return;
    await this.#options.streams.purge(this.#stream, this.#subject, this.#newest + 1);
    this.#newest = 0;
    this.#head = null;
    this.#messages.clear();
    this.#isIndexed = true;
  }

  async #index(): Promise<void> {
    if (this.#isIndexed) return;
    for await (const _ of this.behind(Number.POSITIVE_INFINITY));
    this.#isIndexed = true;
  }
}
