import { FormatError } from './format-error.ts';
import { readModifiedUtf8 } from './modified-utf8.ts';

/** Java's `Long.MIN_VALUE`: in attributes, segment ids and entry versions it means that there is none. */
export const NULL_LONG = -(2n ** 63n);

/**
 * Reads Pravega's primitives in order (`io.pravega.common.io.serialization.RevisionDataInput`). All integers are
 * big-endian. Every length is held against what is left before anything is allocated; throws FormatError.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** Position in the buffer. */
  get at(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new FormatError(`expected a boolean, found the byte ${value}`);
    return value === 1;
  }

  i16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  i32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  i64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  /** An i64 that is an offset or a length. */
  offset(): number {
    return safeOffset(this.i64());
  }

  /** `writeUTF`: length u16, modified UTF-8. */
  utf(): string {
    const length = this.#bytes.readUInt16BE(this.#take(2));
    return readModifiedUtf8(this.slice(length));
  }

  /** `writeCompactLong`: 0 to 2^62-1 in 1, 2, 4 or 8 bytes, by the top two bits of the first. */
  compactLong(): bigint {
    const first = this.u8();
    const length = 1 << (first >> 6);
    let value = BigInt(first & 0x3f);
    for (let index = 1; index < length; index += 1) value = (value << 8n) | BigInt(this.u8());
    return value;
  }

  /** A compact long that is an offset or a length. */
  compactOffset(): number {
    return safeOffset(this.compactLong());
  }

  /** `writeCompactInt`: 0 to 2^30-1 in 1, 2 or 4 bytes. */
  compactInt(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    const length = first < 0xc0 ? 2 : 4;
    let value = first & 0x3f;
    for (let index = 1; index < length; index += 1) value = value * 256 + this.u8();
    return value;
  }

  /** The count of a collection of items of at least so many bytes. */
  count(itemMinBytes: number): number {
    const count = this.compactInt();
    if (count * itemMinBytes > this.remaining) {
      throw new FormatError(`expected at most ${this.remaining} bytes of items, found a count of ${count}`);
    }
    return count;
  }

  slice(length: number): Buffer {
    const from = this.#take(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** A reader of the next bytes alone; this one goes on behind them. */
  part(length: number): ByteReader {
    const from = this.#take(length);
    return new ByteReader(this.#bytes, from, from + length);
  }

  #take(length: number): number {
    if (length < 0 || length > this.remaining) {
      throw new FormatError(`expected ${length} more bytes, found ${this.remaining}`);
    }
    const from = this.#at;
    this.#at += length;
    return from;
  }
}

/** An offset or a length as a number. Throws FormatError for what no file can have. */
export function safeOffset(value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new FormatError(`expected an offset of 0 or more, below 2^53, found ${value}`);
}
