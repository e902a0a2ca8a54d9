/**
 * Entries of an index, from their Avro encoding (Avro 1.11 specification, "Binary Encoding"), with the records in columns. An
 * index tells of every record of a log, and few of them are looked at one by one.
 */
import {
  decodeAs,
  fingerprintOf,
  type TlogCover,
  type TlogIndexEntry,
  type TlogPosition,
  type TlogSegmentKind,
} from '@salvor/contracts';
import { RecordColumns } from '../record-columns.ts';

/** In the order of the enumeration in the schema. */
const KINDS: readonly TlogSegmentKind[] = [
  'begin',
  'writes',
  'baseBegin',
  'base',
  'baseComplete',
  'snapshot',
];
/** Bytes of a record at least: what promises more records than fit is no entry. */
const RECORD_MIN_BYTES = 4;
const POSITION_MIN_BYTES = 2;

const columnsByEntry = new WeakMap<TlogIndexEntry, RecordColumns>();

/** The records of an entry in columns. */
export function columnsOf(entry: TlogIndexEntry): RecordColumns {
  const known = columnsByEntry.get(entry);
  if (known !== undefined) return known;
  const columns = RecordColumns.of(entry.records);
  columnsByEntry.set(entry, columns);
  return columns;
}

/** Reads entries that were written with one schema. */
export class EntryReader {
  readonly #objectHead: Buffer;
  readonly #isPresent: boolean;

  /** @param objectHead first bytes of a single-object encoding of the writer's schema */
  constructor(objectHead: Buffer) {
    this.#objectHead = objectHead;
    const fingerprint = objectHead.subarray(objectHead.length - FINGERPRINT_BYTES).toString('hex');
    this.#isPresent = fingerprint === fingerprintOf('TlogIndexEntry');
  }

  /** Throws when the body is no entry. */
  read(body: Buffer): TlogIndexEntry {
    if (!this.#isPresent) return decodeAs('TlogIndexEntry', Buffer.concat([this.#objectHead, body]));
    return new EntryCursor(body).entry();
  }
}

const FINGERPRINT_BYTES = 8;

class EntryCursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The fields in the order of the schema. */
  entry(): TlogIndexEntry {
    const head = {
      number: this.#long(),
      epoch: this.#long(),
      generation: this.#long(),
      kind: this.#kind(),
      name: this.#string(),
      first: this.#long(),
      firstAt: this.#long(),
      lastAt: this.#long(),
      base: this.#long(),
      blockSize: this.#long(),
      positions: this.#positions(),
    };
    const covers = this.#covers();
    const dataAt = this.#long();
    const columns = this.#records();
    if (this.#at !== this.#bytes.length)
      throw new RangeError(`${this.#bytes.length - this.#at} bytes follow it`);
    let records: TlogIndexEntry['records'] | null = null;
    const entry: TlogIndexEntry = {
      ...head,
      ...(covers === undefined ? {} : { covers }),
      dataAt,
      get records() {
        records ??= columns.all().map(({ at: _, ...record }) => record);
        return records;
      },
    };
    columnsByEntry.set(entry, columns);
    return entry;
  }

  #kind(): TlogSegmentKind {
    const place = this.#long();
    const kind = KINDS[place];
    if (kind === undefined) throw new RangeError(`expected a kind of segment, found ${place}`);
    return kind;
  }

  #string(): string {
    const length = this.#long();
    if (length < 0 || length > this.#bytes.length - this.#at)
      throw new RangeError(`expected a text of ${length} bytes at ${this.#at}`);
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  #positions(): TlogPosition[] {
    const positions: TlogPosition[] = [];
    for (let count = this.#items(POSITION_MIN_BYTES); count > 0; count = this.#items(POSITION_MIN_BYTES))
      for (; count > 0; count--) positions.push({ shard: this.#long(), batch: this.#long() });
    return positions;
  }

  #covers(): TlogCover | undefined {
    const branch = this.#long();
    if (branch === 0) return undefined;
    if (branch !== 1) throw new RangeError(`expected branch 0 or 1, found ${branch}`);
    return { number: this.#long(), first: this.#long(), exactFrom: this.#long() };
  }

  /** Its writer puts all of them into one block of the array; any other number of blocks is read as well. */
  #records(): RecordColumns {
    let columns = new RecordColumns(0);
    let offset = 0;
    for (let count = this.#items(RECORD_MIN_BYTES); count > 0; count = this.#items(RECORD_MIN_BYTES)) {
      const before = columns;
      columns = new RecordColumns(before.count + count);
      columns.take(before);
      const { sequences, blocks, lengths, checksums, offsets } = columns;
      for (let i = before.count; i < columns.count; i++) {
        sequences[i] = this.#long();
        blocks[i] = this.#long();
        const length = this.#long();
        lengths[i] = length;
        checksums[i] = this.#long();
        offsets[i] = offset;
        offset += length;
      }
    }
    return columns;
  }

  /** How many items the next block of an array has; 0: it ends here. */
  #items(minBytes: number): number {
    const count = this.#long();
    if (count < 0) this.#long(); // bytes of the block
    const items = Math.abs(count);
    if (items * minBytes > this.#bytes.length - this.#at)
      throw new RangeError(`expected ${items} items at ${this.#at}, they do not fit`);
    return items;
  }

  /** Most numbers have four bytes at most, and need no arithmetic beyond 32 bits. */
  #long(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let byte = bytes[at++] ?? this.#ends();
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 21) {
        this.#at = at;
        return this.#longer(zigzag);
      }
      byte = bytes[at++] ?? this.#ends();
      zigzag |= (byte & 0x7f) << shift;
    }
    this.#at = at;
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /** The rest of a number of which the lowest 28 bits are known. */
  #longer(low: number): number {
    let zigzag = low;
    let factor = 2 ** 28;
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? this.#ends();
      zigzag += (byte & 0x7f) * factor;
      if (!Number.isSafeInteger(zigzag)) throw new RangeError(`a number before ${this.#at} is too large`);
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      factor *= 128;
    }
  }

  #ends(): never {
    throw new RangeError(`it ends at ${this.#bytes.length}`);
  }
}
