/**
 * Avro object container files (Avro 1.11 specification, "Object Container Files") as the log writes them: codec null, one object
 * in each block, so that an object can be read without the ones before it and a damaged one costs no other.
 */
import { createHash } from 'node:crypto';
import {
  encode,
  fingerprintOf,
  fingerprintOfMessage,
  type RecordInits,
  type RecordName,
  registerWriterSchema,
  schemaList,
} from '@salvor/contracts';
import { LogError } from '../log-error.ts';

const MAGIC = Buffer.from('Obj\x01', 'latin1');
export const SYNC_BYTES = 16;
/** The head of a single-object encoding, which a container file does not repeat for each object. */
const SINGLE_OBJECT_HEAD_BYTES = 10;
/** Schema and metadata; ours take 4 KiB. */
export const MAX_HEADER_BYTES: number = 64 * 1024;
const MAX_METADATA = 32;
const MAX_VARINT_BYTES = 10;

export interface AvroFileHeader {
  /** Besides `avro.schema` and `avro.codec`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly sync: Buffer;
  /** First bytes of a single-object encoding of the writer's schema, which is known here from now on. */
  readonly objectHead: Buffer;
  /** Offset of the first block. */
  readonly end: number;
}

/** The same contents have the same marker: so who writes a file again writes the same bytes. */
export function syncMarker(of: string): Buffer {
  return createHash('sha256').update(of).digest().subarray(0, SYNC_BYTES);
}

export function avroFileHeader(
  record: RecordName,
  metadata: Readonly<Record<string, string>>,
  sync: Buffer,
): Buffer {
  const schema = schemaList.find(({ name }) => name === record)?.canonicalJson ?? '';
  const entries = Object.entries({ 'avro.schema': schema, 'avro.codec': 'null', ...metadata });
  const pairs = entries.flatMap(([key, value]) => [
    ...avroBytes(Buffer.from(key)),
    ...avroBytes(Buffer.from(value)),
  ]);
  return Buffer.concat([MAGIC, varint(entries.length), ...pairs, varint(0), sync]);
}

/** A block of one object: what goes in front of its body, the body, and the marker behind it. */
export function avroFileBlock<N extends RecordName>(
  record: N,
  value: RecordInits[N],
  sync: Buffer,
): Buffer[] {
  return avroBodyBlock(encode(record, value), sync);
}

/** A block of one object that is encoded already, as a single object of the schema in the header. */
export function avroBodyBlock(singleObject: Buffer, sync: Buffer): Buffer[] {
  const body = singleObject.subarray(SINGLE_OBJECT_HEAD_BYTES);
  return [varint(1), varint(body.length), body, sync];
}

/** Whether bytes are a single object of the schema that files are written with here. */
export function isWrittenAs(record: RecordName, bytes: Buffer): boolean {
  return fingerprintOfMessage(bytes) === fingerprintOf(record);
}

/**
 * Reads the header at the beginning of a file.
 *
 * @param bytes the first {@link MAX_HEADER_BYTES} of the file, or all of it
 * @throws LogError `bad-chunk`
 */
export function readAvroHeader(bytes: Buffer, record: RecordName, file: string): AvroFileHeader {
  const cursor = new HeaderCursor(bytes, file);
  if (!cursor.take(MAGIC.length).equals(MAGIC)) throw cursor.error('it is no Avro object container file');
  const metadata = new Map<string, string>();
  for (let count = cursor.long(); count !== 0; count = cursor.long()) {
    if (count < 0) cursor.long(); // bytes of these pairs
    for (let pairs = Math.abs(count); pairs > 0; pairs--) {
      const key = cursor.take(cursor.long()).toString();
      metadata.set(key, cursor.take(cursor.long()).toString());
      if (metadata.size > MAX_METADATA) throw cursor.error(`more than ${MAX_METADATA} entries of metadata`);
    }
  }
  const sync = Buffer.from(cursor.take(SYNC_BYTES));
  const codec = metadata.get('avro.codec') ?? 'null';
  if (codec !== 'null') throw cursor.error(`expected codec null, found ${JSON.stringify(codec)}`);
  const objectHead = objectHeadOf(metadata.get('avro.schema') ?? '', record, cursor);
  return { metadata, sync, objectHead, end: cursor.at };
}

/** Where the body of the block at an offset is, or what is wrong there. `bytes` begins at the block. */
export function readBlockHead(bytes: Buffer, maxBody: number): { bodyAt: number; length: number } | string {
  const count = readVarint(bytes, 0);
  if (count === null || count.value !== 1)
    return `expected a block of 1 object, found ${count?.value ?? 'no number'}`;
  const length = readVarint(bytes, count.end);
  if (length === null || length.value < 0 || length.value > maxBody)
    return `expected a block of at most ${maxBody} bytes, found ${length?.value ?? 'no number'}`;
  return { bodyAt: length.end, length: length.value };
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function avroBytes(bytes: Buffer): Buffer[] {
  return [varint(bytes.length), bytes];
}

function readVarint(bytes: Buffer, at: number): { value: number; end: number } | null {
  let zigzag = 0;
  let factor = 1;
  for (let count = 0; count < MAX_VARINT_BYTES; count++) {
    const byte = bytes[at + count];
    if (byte === undefined) return null;
    zigzag += (byte & 0x7f) * factor;
    if (!Number.isSafeInteger(zigzag)) return null;
    if (byte < 0x80) return { value: zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2, end: at + count + 1 };
    factor *= 128;
  }
  return null;
}

function objectHeadOf(schema: string, record: RecordName, cursor: HeaderCursor): Buffer {
  let fingerprint: string;
  try {
    const found = registerWriterSchema(schema);
    if (found.name !== record) throw cursor.error(`expected objects of type ${record}, found ${found.name}`);
    fingerprint = found.fingerprint;
  } catch (error) {
    if (error instanceof LogError) throw error;
    throw cursor.error(`its schema cannot be read as ${record} (${fingerprintOf(record)}): ${String(error)}`);
  }
  return Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.from(fingerprint, 'hex')]);
}

class HeaderCursor {
  readonly #bytes: Buffer;
  readonly #file: string;
  at = 0;

  constructor(bytes: Buffer, file: string) {
    this.#bytes = bytes.subarray(0, MAX_HEADER_BYTES);
    this.#file = file;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.#bytes.length - this.at)
      throw this.error(`expected ${length} bytes at ${this.at}, ${this.#bytes.length - this.at} are left`);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  long(): number {
    const found = readVarint(this.#bytes, this.at);
    if (found === null) throw this.error(`expected a number at ${this.at}`);
    this.at = found.end;
    return found.value;
  }

  error(what: string): LogError {
    return new LogError('bad-chunk', `${this.#file}: bad header: ${what}`);
  }
}
