/**
 * The fields that segments and entries of an index are made of, from their Avro encoding (Avro 1.11 specification, "Binary
 * Encoding"). Records come in columns: a log has so many that an object for each would cost more than all the rest.
 */
import { isUtf8 } from 'node:buffer';
import type { TlogCover, TlogPosition, TlogSegmentKind } from '@salvor/contracts';
import { RecordColumns } from './record-columns.ts';

/** In the order of the enumeration in the schema. */
export const KINDS: readonly TlogSegmentKind[] = [
  'begin',
  'writes',
  'baseBegin',
  'base',
  'baseComplete',
  'snapshot',
];
/** Bytes of a record at least: what promises more records than fit is none. */
const RECORD_MIN_BYTES = 4;
const POSITION_MIN_BYTES = 2;

/** Reads what is encoded, field by field; throws RangeError where it is no such encoding. */
export class SegmentCursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** What the encodings of a segment and of an entry have in common, up to its positions. */
  head() {
    return {
      number: this.long(),
      epoch: this.long(),
      generation: this.long(),
      kind: this.kind(),
      name: this.string(),
      first: this.long(),
      firstAt: this.long(),
      lastAt: this.long(),
      base: this.long(),
      blockSize: this.long(),
      positions: this.positions(),
    };
  }

  /** Bytes with their length in front; not copied. */
  data(): Buffer {
    const length = this.long();
    if (length < 0 || length > this.#bytes.length - this.#at)
      throw new RangeError(`expected ${length} bytes at ${this.#at}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length)
      throw new RangeError(`${this.#bytes.length - this.#at} bytes follow it`);
  }

  kind(): TlogSegmentKind {
    const place = this.long();
    const kind = KINDS[place];
    if (kind === undefined) throw new RangeError(`expected a kind of segment, found ${place}`);
    return kind;
  }

  string(): string {
    const length = this.long();
    if (length < 0 || length > this.#bytes.length - this.#at)
      throw new RangeError(`expected a text of ${length} bytes at ${this.#at}`);
    this.#at += length;
    const text = this.#bytes.subarray(this.#at - length, this.#at);
    if (!isUtf8(text)) throw new RangeError(`expected a text in UTF-8 before ${this.#at}`);
    return text.toString();
  }

  positions(): TlogPosition[] {
    const positions: TlogPosition[] = [];
    for (let count = this.#items(POSITION_MIN_BYTES); count > 0; count = this.#items(POSITION_MIN_BYTES))
      for (; count > 0; count--) positions.push({ shard: this.long(), batch: this.long() });
    return positions;
  }

  covers(): TlogCover | undefined {
    const branch = this.long();
    if (branch === 0) return undefined;
    if (branch !== 1) throw new RangeError(`expected branch 0 or 1, found ${branch}`);
    return { number: this.long(), first: this.long(), exactFrom: this.long() };
  }

  /** Its writer puts all of them into one block of the array; any other number of blocks is read as well. */
  records(): RecordColumns {
    let columns = new RecordColumns(0);
    let at = 0;
    for (let count = this.#items(RECORD_MIN_BYTES); count > 0; count = this.#items(RECORD_MIN_BYTES)) {
      const more = new RecordColumns(count);
      for (let i = 0; i < count; i++) {
        const sequence = this.long();
        const block = this.long();
        const length = this.long();
        more.set(i, sequence, block, length, at, this.long());
        at += length;
      }
      columns = columns.with(more);
    }
    return columns;
  }

  /** How many items the next block of an array has; 0: it ends here. */
  #items(minBytes: number): number {
    const count = this.long();
    if (count < 0) this.long(); // bytes of the block
    const items = Math.abs(count);
    if (items * minBytes > this.#bytes.length - this.#at)
      throw new RangeError(`expected ${items} items at ${this.#at}, they do not fit`);
    return items;
  }

  /** Most numbers have four bytes at most, and need no arithmetic beyond 32 bits. */
  long(): number {
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

  /** The rest of a number of which the lowest 28 bits are known; without the bit of its sign it fits where twice it does not. */
  #longer(low: number): number {
    const isNegative = (low & 1) === 1;
    let half = low >>> 1;
    let factor = 2 ** 27;
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? this.#ends();
      half += (byte & 0x7f) * factor;
      if (!Number.isSafeInteger(half)) throw new RangeError(`a number before ${this.#at} is too large`);
      if (byte < 0x80) return isNegative ? -half - 1 : half;
      factor *= 128;
    }
  }

  #ends(): never {
    throw new RangeError(`it ends at ${this.#bytes.length}`);
  }
}
