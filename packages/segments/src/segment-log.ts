/** Reads the log of a segment back. */
import type { LogStreamPort } from '@salvor/bus';
import { DecodeError, decodeAs, type SegmentAttribute, type SegmentLogEntry } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { type SegmentPart, segmentPartSubject } from './segment-subject.ts';

export type SegmentStreams = Pick<LogStreamPort, 'publish' | 'last' | 'purge' | 'readWindow'>;

export interface SegmentPlace {
  readonly segment: string;
  readonly stream: string;
  /** Without its part. */
  readonly subject: string;
}

export interface LastOfLog {
  /** In the stream. */
  readonly sequence: number;
  /** Null: its bytes are no message of a log of segments. */
  readonly entry: SegmentLogEntry | null;
}

export interface TableValue {
  readonly key: Buffer;
  readonly version: number;
  readonly value: Buffer;
}

const WINDOW_BYTES = 8 * 1024 * 1024;

/** The newest message of the content; null where there is none. Throws BusError. */
export async function lastOfContent(
  streams: Pick<SegmentStreams, 'last'>,
  { stream, subject }: Pick<SegmentPlace, 'stream' | 'subject'>,
): Promise<LastOfLog | null> {
  const last = await streams.last(stream, segmentPartSubject(subject, 'content'));
  return last === null ? null : { sequence: last.sequence, entry: entryIn(last.data) };
}

/** Null for bytes that cannot be decoded: to read them again would not help. */
function entryIn(data: Uint8Array): SegmentLogEntry | null {
  try {
    return decodeAs('SegmentLogEntry', data);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

/**
 * The messages of a part, in order.
 *
 * @throws SalvorError `log-damaged` where one is missing, belongs to another segment, or cannot be decoded
 */
export async function* readSegmentLog(
  streams: Pick<SegmentStreams, 'readWindow'>,
  { segment, stream, subject }: SegmentPlace,
  part: SegmentPart,
): AsyncGenerator<SegmentLogEntry> {
  let number = 0;
  for (let from = 1; ; ) {
    const window = await streams.readWindow({
      ...{ stream, from, maxBytes: WINDOW_BYTES },
      subject: segmentPartSubject(subject, part),
    });
    for (const { data, sequence } of window.messages) {
      const entry = entryIn(data);
      number += 1;
      if (entry?.number !== number || entry.segment !== segment) {
        const found =
          entry === null ? 'bytes that cannot be decoded' : `message ${entry.number} of ${entry.segment}`;
        throw new SalvorError(
          'log-damaged',
          `expected message ${number} of the ${part} of segment ${segment} at ${sequence} of ${stream}, found ${found}; bring the segment back again, with --replace`,
        );
      }
      yield entry;
    }
    if (window.end) return;
    from = window.next;
  }
}

/** Bytes of a segment from an offset on, in pieces, and holes between them. Ends with the log, or at `to`. */
export async function* contentOf(
  streams: Pick<SegmentStreams, 'readWindow'>,
  place: SegmentPlace,
  { from = 0, to = Number.MAX_SAFE_INTEGER }: { readonly from?: number; readonly to?: number } = {},
): AsyncGenerator<{ readonly offset: number; readonly data: Buffer }> {
  for await (const { kind, offset, data } of readSegmentLog(streams, place, 'content')) {
    if (kind === 'end') return;
    if (kind !== 'bytes' || offset + data.length <= from) continue;
    if (offset >= to) return;
    const begin = Math.max(0, from - offset);
    yield { offset: offset + begin, data: data.subarray(begin, Math.min(data.length, to - offset)) };
  }
}

export async function* extendedAttributesOf(
  streams: Pick<SegmentStreams, 'readWindow'>,
  place: SegmentPlace,
): AsyncGenerator<SegmentAttribute> {
  for await (const { attributes } of readSegmentLog(streams, place, 'attributes')) yield* attributes;
}

/** What a table holds, in the order in which it was written. */
export async function* tableValuesOf(
  streams: Pick<SegmentStreams, 'readWindow'>,
  place: SegmentPlace,
): AsyncGenerator<TableValue> {
  let begun: Buffer[] = [];
  for await (const { entries } of readSegmentLog(streams, place, 'entries')) {
    for (const { key, version, position, total, value } of entries) {
      if (position === 0) begun = [];
      begun.push(value);
      if (position + value.length < total) continue;
      yield { key, version, value: begun.length === 1 ? value : Buffer.concat(begun) };
    }
  }
}
