import { crc32 } from 'node:zlib';
import {
  DecodeError,
  decodeAs,
  encode,
  fingerprintOf,
  fingerprintOfMessage,
  type TlogSegment,
  type TlogSegmentInit,
} from '@salvor/contracts';
import { LogError } from './log-error.ts';
import { SegmentCursor } from './segment-cursor.ts';

/** A segment with its head is never longer than this: nats-server's limit of 1 MiB counts headers, and larger messages gain nothing. */
export const SEGMENT_MAX_BYTES: number = 512 * 1024;

/** `salvor.tlog.v1.<container>.<vdisk>` */
export const LOG_SUBJECT_PREFIX = 'salvor.tlog.v1';

/** The stream that holds the hot tail of a container. */
export function logStream(container: number): string {
  return `TLOG_${container}`;
}

export function logSubject(container: number, vdisk: string): string {
  return `${LOG_SUBJECT_PREFIX}.${container}.${vdisk}`;
}

/** CRC-32 (zlib's) of the bytes of a block. */
export function blockChecksum(data: Buffer): number {
  return crc32(data);
}

/** Avro single-object encoding of a segment. */
export function encodeSegment(segment: TlogSegmentInit): Buffer {
  return encode('TlogSegment', segment);
}

/** `C3 01` and the fingerprint of the schema. */
const SINGLE_OBJECT_HEAD_BYTES = 10;

/**
 * Reads a segment, whose data are a view of the bytes given, and proves that it is whole: rising sequences, lengths that add up to the data, checksums that hold.
 *
 * @throws LogError `bad-segment`
 */
export function decodeSegment(bytes: Uint8Array): TlogSegment {
  let segment: TlogSegment;
  try {
    segment = readSegment(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
    throw new LogError('bad-segment', `expected a segment of a log: ${error.message}`);
  }
  const fault = segmentFault(segment);
  if (fault !== null) throw new LogError('bad-segment', `${nameOf(segment)}: ${fault}`);
  return segment;
}

/** What the present schema wrote is read without a copy of its blocks: what other schemas wrote is rare. */
function readSegment(bytes: Uint8Array): TlogSegment {
  if (fingerprintOfMessage(bytes) !== fingerprintOf('TlogSegment')) return decodeAs('TlogSegment', bytes);
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor = new SegmentCursor(message, SINGLE_OBJECT_HEAD_BYTES);
  const vdisk = cursor.string();
  const head = cursor.head();
  const records = cursor.records().records();
  const covers = cursor.covers();
  const data = cursor.data();
  cursor.end();
  return {
    ...{ vdisk, ...head, records },
    ...(covers === undefined ? {} : { covers }),
    data,
  };
}

/** What is wrong with a segment that was read, or null. */
export function segmentFault(segment: TlogSegment): string | null {
  const { number, first, records, data, blockSize } = segment;
  if (number < 1 || first < 1) return `expected numbers of at least 1, found ${number} and ${first}`;
  if (blockSize < 1) return `expected a block size of at least 1, found ${blockSize}`;
  let sequence = first - 1;
  let at = 0;
  for (const record of records) {
    if (record.sequence <= sequence) return `expected a record after ${sequence}, found ${record.sequence}`;
    sequence = record.sequence;
    if (record.block < 0 || record.length < 0 || record.length > blockSize)
      return `record ${sequence}: expected a block of at most ${blockSize} bytes, found ${record.length} of block ${record.block}`;
    const end = at + record.length;
    if (end > data.length) return `record ${sequence}: its bytes end at ${end} of ${data.length}`;
    if (record.length > 0 && blockChecksum(data.subarray(at, end)) !== record.checksum)
      return `record ${sequence}: block ${record.block} does not match its checksum`;
    at = end;
  }
  return at === data.length ? null : `its records describe ${at} bytes, it has ${data.length}`;
}

/** Sequence of the last record, or `first` - 1 of a segment without records. */
export function lastSequence({ first, records }: Pick<TlogSegment, 'first' | 'records'>): number {
  return records.at(-1)?.sequence ?? first - 1;
}

function nameOf({ vdisk, number }: TlogSegment): string {
  return `segment ${number} of vdisk ${vdisk}`;
}
