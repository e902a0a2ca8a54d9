/** Avro single-object encoding: `C3 01`, the schema's fingerprint (8 bytes, little-endian CRC-64-AVRO), the body. */
import { BodyProblem } from './body-check.ts';
import { DecodeError, ValidationError } from './errors.ts';
import type { RecordInits, RecordName, RecordTypes } from './generated/types.ts';
import {
  type KnownRecord,
  knownRecord,
  SINGLE_OBJECT_MARKER,
  type WriterSchema,
  writerSchema,
} from './registry.ts';
import { invalidValueError } from './value-problems.ts';

/** A message, read. */
export interface Decoded {
  /** Our record name, or the full name of a registered foreign schema. */
  readonly name: string;
  /** Fingerprint of the schema it was written with. */
  readonly fingerprint: string;
  /** As our current record describes it: defaults filled, absent optional fields left out. */
  readonly value: unknown;
}

const HEADER_BYTES = 10;
const SCRATCH_BYTES = 64 * 1024;
/** Larger messages get a buffer of their own, which is not kept. */
const MAX_POOLED_SCRATCH_BYTES: number = 1024 * 1024;

let scratch = Buffer.allocUnsafe(SCRATCH_BYTES);

/** Encodes a record. Throws ValidationError (`invalid-value`) that names every wrong field. */
export function encode<N extends RecordName>(name: N, value: RecordInits[N]): Buffer {
  const record = knownRecord(name);
  const badLong = record.findBadLong?.(value);
  if (badLong !== undefined) throw new ValidationError('invalid-value', name, [badLong]);
  let buffer = scratch;
  let end = write(record, value, buffer);
  if (end < 0) {
    // A negative end is the number of bytes that were missing.
    buffer = Buffer.allocUnsafe(2 * (buffer.length - end));
    end = write(record, value, buffer);
    if (buffer.length <= MAX_POOLED_SCRATCH_BYTES) scratch = buffer;
  }
  record.header.copy(buffer);
  return Buffer.from(buffer.subarray(0, end));
}

/**
 * Decodes a message of any known schema: ours, or one given to `registerWriterSchema`. What an older or newer
 * writer of our records wrote reads as the current record. Throws DecodeError.
 */
export function decode(bytes: Uint8Array): Decoded {
  const message = bufferOf(bytes);
  const fingerprint = fingerprintOfMessage(message);
  if (fingerprint === undefined) {
    throw new DecodeError(
      'not-single-object',
      `expected Avro single-object encoding (c3 01, 8 bytes of fingerprint), found ${describeBytes(message)}`,
    );
  }
  const writer = writerSchema(fingerprint);
  if (writer === undefined) {
    throw new DecodeError(
      'unknown-schema',
      `no schema with fingerprint ${fingerprint} is known here; look it up in the schema registry`,
      fingerprint,
    );
  }
  return { name: writer.name, fingerprint, value: readBody(writer, message.subarray(HEADER_BYTES)) };
}

/** Decodes a message that must be this record. Throws DecodeError. */
export function decodeAs<N extends RecordName>(name: N, bytes: Uint8Array): RecordTypes[N] {
  const decoded = decode(bytes);
  if (decoded.name !== name) {
    throw new DecodeError('wrong-record', `expected ${name}, found ${decoded.name}`, decoded.fingerprint);
  }
  return decoded.value as RecordTypes[N];
}

/** Whether bytes claim to be a message: `C3 01` cannot begin JSON, nor any UTF-8 text. */
export function isSingleObject(bytes: Uint8Array): boolean {
  return bytes[0] === SINGLE_OBJECT_MARKER[0] && bytes[1] === SINGLE_OBJECT_MARKER[1];
}

/** The fingerprint in a message's header, 16 hex digits; undefined when it has no such header. */
export function fingerprintOfMessage(bytes: Uint8Array): string | undefined {
  if (bytes.length < HEADER_BYTES || !isSingleObject(bytes)) return undefined;
  return bufferOf(bytes).toString('hex', 2, HEADER_BYTES);
}

function write(record: KnownRecord, value: unknown, buffer: Buffer): number {
  try {
    return record.type.encode(value, buffer, HEADER_BYTES);
  } catch (error) {
    throw invalidValueError(record, value, error);
  }
}

function readBody(writer: WriterSchema, body: Buffer): unknown {
  try {
    return writer.read(body);
  } catch (error) {
    const where =
      error instanceof BodyProblem && error.path !== '' ? `${writer.name}.${error.path}` : writer.name;
    const what = error instanceof Error ? error.message : String(error);
    throw new DecodeError('malformed-body', `${where}: ${what}`, writer.fingerprint, error);
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function describeBytes(bytes: Buffer): string {
  return bytes.length === 0 ? 'no bytes' : `${bytes.length} bytes: ${bytes.toString('hex', 0, 16)}`;
}
