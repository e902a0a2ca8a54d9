/** Writes the log of one segment: numbered, in order, by one writer at a time. */
import { randomUUID } from 'node:crypto';
import { encode, type RecordInits, type SegmentAttribute } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import {
  type LastOfLog,
  lastOfContent,
  type SegmentPlace,
  type SegmentStreams,
  type TableValue,
} from './segment-log.ts';
import { type SegmentPart, segmentPartSubject } from './segment-subject.ts';

/** Bytes of content, or of values, in one message. */
export const SEGMENT_PIECE_BYTES: number = 256 * 1024;
const MAX_ATTRIBUTES = 2_000;
const MAX_ENTRIES = 1_000;

export interface SegmentLogWriterOptions extends SegmentPlace {
  readonly streams: SegmentStreams;
  readonly operation: string;
  /** The newest message of the content, where it was just looked up. */
  readonly last?: LastOfLog | null;
}

type Body = Omit<RecordInits['SegmentLogEntry'], 'segment' | 'number' | 'operation'>;

export class SegmentLogWriter {
  readonly #options: SegmentLogWriterOptions;
  readonly #parts: Record<SegmentPart, { number: number; sequence: number }> = {
    content: { number: 0, sequence: 0 },
    attributes: { number: 0, sequence: 0 },
    entries: { number: 0, sequence: 0 },
  };
  /** What an earlier writer sent, and was removed since, must not be taken for this one's. */
  readonly #attempt = randomUUID();
  /** Messages of the content that an earlier process wrote for the same operation. */
  #written = 0;

  private constructor(options: SegmentLogWriterOptions) {
    this.#options = options;
  }

  /**
   * Begins, or goes on behind what an earlier process wrote of the content for this operation; whatever else there is of
   * the segment is removed. Throws BusError.
   */
  static async begin(options: SegmentLogWriterOptions): Promise<SegmentLogWriter> {
    const { streams, stream, subject, operation } = options;
    const writer = new SegmentLogWriter(options);
    const last = options.last === undefined ? await lastOfContent(streams, options) : options.last;
    const newest = last?.entry ?? null;
    const goesOn = newest !== null && newest.operation === operation && newest.kind !== 'end';
    if (last !== null && goesOn) {
      writer.#written = newest.number;
      writer.#parts.content.sequence = last.sequence;
    } else if (last !== null) await removePart(streams, stream, segmentPartSubject(subject, 'content'));
    return writer;
  }

  /** Messages of the content. */
  get messages(): number {
    return this.#parts.content.number;
  }

  async bytes(offset: number, data: Buffer): Promise<void> {
    await this.#write('content', { kind: 'bytes', offset, data });
  }

  async hole(offset: number, to: number): Promise<void> {
    await this.#write('content', { kind: 'hole', offset, to });
  }

  async attributes(attributes: readonly SegmentAttribute[]): Promise<void> {
    for (let at = 0; at < attributes.length; at += MAX_ATTRIBUTES)
      await this.#write('attributes', {
        kind: 'attributes',
        attributes: attributes.slice(at, at + MAX_ATTRIBUTES),
      });
  }

  /** @returns how many keys there were */
  async entries(values: AsyncIterable<TableValue>): Promise<number> {
    let count = 0;
    let bytes = 0;
    let waiting: NonNullable<Body['entries']>[number][] = [];
    const send = async () => {
      if (waiting.length > 0) await this.#write('entries', { kind: 'entries', entries: waiting });
      waiting = [];
      bytes = 0;
    };
    for await (const { key, version, value } of values) {
      count += 1;
      let position = 0;
      do {
        const part = value.subarray(position, position + SEGMENT_PIECE_BYTES);
        if (bytes + key.length + part.length > SEGMENT_PIECE_BYTES || waiting.length >= MAX_ENTRIES)
          await send();
        waiting.push({ key, version, position, total: value.length, value: part });
        bytes += key.length + part.length;
        position += part.length;
      } while (position < value.length);
    }
    await send();
    return count;
  }

  /** The last message: all parts are there. `digest`: SHA-256 of all facts, hexadecimal. */
  async end(digest: string): Promise<void> {
    await this.#write('content', { kind: 'end', data: Buffer.from(digest, 'hex') });
  }

  async #write(part: SegmentPart, body: Body): Promise<void> {
    const { segment, operation } = this.#options;
    const place = this.#parts[part];
    place.number += 1;
    if (part === 'content' && place.number <= this.#written) return;
    const { number } = place;
    const data = encode('SegmentLogEntry', { segment, operation, number, ...body });
    try {
      place.sequence = await this.#publish(part, data);
    } catch (error) {
      const isTaken = error instanceof SalvorError && error.code === 'wrong-last-sequence';
      if (!isTaken || number !== 1 || part === 'content') throw error;
      // Left by a writer that did not come to the end.
      const { streams, stream, subject } = this.#options;
      await removePart(streams, stream, segmentPartSubject(subject, part));
      place.sequence = await this.#publish(part, data);
    }
  }

  async #publish(part: SegmentPart, data: Buffer): Promise<number> {
    const { streams, subject } = this.#options;
    const { number, sequence } = this.#parts[part];
    const { seq } = await streams.publish({
      ...{ data, subject: segmentPartSubject(subject, part) },
      id: `${this.#attempt}:${part}:${number}`,
      expectedLastSequence: sequence,
    });
    return seq;
  }
}

/** Never beyond the newest message: a stream that is purged up to a sequence that it has not reached goes on behind that. */
async function removePart(streams: SegmentStreams, stream: string, subject: string): Promise<void> {
  const last = await streams.last(stream, subject);
  if (last !== null) await streams.purge(stream, subject, last.sequence + 1);
}
