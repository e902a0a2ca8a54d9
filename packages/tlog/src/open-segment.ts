import { fingerprintOf, type TlogSegment } from '@salvor/contracts';
import { blockChecksum, SEGMENT_MAX_BYTES } from './segment.ts';
import { KINDS } from './segment-cursor.ts';

/** Records of one segment: bounds what its head takes. */
export const SEGMENT_MAX_RECORDS = 1024;
/** Larger blocks leave no room for the head beside them. */
export const LOGGED_BLOCK_MAX_BYTES: number = 256 * 1024;

/** Longest zigzag of what is below 2^53, of a block's length, and of a CRC-32. */
const LONG_BYTES = 8;
const LENGTH_BYTES = 4;
const CHECKSUM_BYTES = 5;
const RECORD_MAX_BYTES = 2 * LONG_BYTES + LENGTH_BYTES + CHECKSUM_BYTES;
/** Numbers and lengths of the head beside texts, positions and records. */
const HEAD_FIXED_BYTES = 160;
const TEXT_MAX_BYTES = 256;

/** What a segment says beside its records. */
export interface SegmentHead {
  readonly vdisk: string;
  readonly number: number;
  readonly epoch: number;
  readonly generation: number;
  readonly kind: TlogSegment['kind'];
  readonly name: string;
  readonly base: number;
  readonly blockSize: number;
  readonly positions: ReadonlyMap<number, number>;
  /** When its last record was taken, or it itself when it has none. */
  readonly at: number;
}

/**
 * A segment that is being filled. The bytes of blocks are copied once, to where they are sent from; the head is written in
 * front of them when the segment is sealed. Byte for byte what the contract's codec writes.
 */
export class OpenSegment {
  readonly #bytes: Buffer = Buffer.allocUnsafeSlow(SEGMENT_MAX_BYTES);
  #headRoom = 0;
  readonly #blocks = new Float64Array(SEGMENT_MAX_RECORDS);
  readonly #lengths = new Uint32Array(SEGMENT_MAX_RECORDS);
  readonly #checksums = new Uint32Array(SEGMENT_MAX_RECORDS);
  #count = 0;
  #end = 0;
  #first = 1;
  #firstAt = 0;
  #lastAt = 0;

  /** Records in it. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of blocks in it. */
  get dataBytes(): number {
    return this.#end - this.#headRoom;
  }

  /** When its last record was taken, Unix milliseconds; of one without records it says nothing. */
  get lastAt(): number {
    return this.#lastAt;
  }

  get first(): number {
    return this.#first;
  }

  /** Empties it, for a vdisk on so many shards; its first record, if there will be one, has the sequence `first`. */
  reset(shards: number, first: number): void {
    this.#headRoom =
      HEAD_FIXED_BYTES +
      2 * TEXT_MAX_BYTES +
      2 * LONG_BYTES * shards +
      RECORD_MAX_BYTES * SEGMENT_MAX_RECORDS;
    this.#count = 0;
    this.#end = this.#headRoom;
    this.#first = first;
  }

  fits(lengthBytes: number): boolean {
    return this.#count < SEGMENT_MAX_RECORDS && this.#end + lengthBytes <= SEGMENT_MAX_BYTES;
  }

  /** Copies a block; null: it was deleted. It must fit. */
  add(block: number, data: Buffer | null, at: number): void {
    const i = this.#count++;
    if (i === 0) this.#firstAt = at;
    this.#lastAt = at;
    this.#blocks[i] = block;
    if (data === null) {
      this.#lengths[i] = 0;
      this.#checksums[i] = 0;
      return;
    }
    data.copy(this.#bytes, this.#end);
    this.#lengths[i] = data.length;
    // Of the copy: what the caller does with its bytes meanwhile cannot part the two.
    this.#checksums[i] = blockChecksum(this.#bytes.subarray(this.#end, this.#end + data.length));
    this.#end += data.length;
  }

  /** The whole message; valid until {@link reset}. */
  seal(head: SegmentHead): Buffer {
    const writer = new HeadWriter(this.#bytes);
    const headBytes = this.#writeHead(writer, head);
    if (headBytes > this.#headRoom)
      throw new RangeError(
        `the head of a segment takes ${headBytes} bytes, there is room for ${this.#headRoom}`,
      );
    // Written at the front, moved up against the data: a few kilobytes instead of all blocks.
    this.#bytes.copyWithin(this.#headRoom - headBytes, 0, headBytes);
    return this.#bytes.subarray(this.#headRoom - headBytes, this.#end);
  }

  #writeHead(writer: HeadWriter, head: SegmentHead): number {
    const { positions } = head;
    writer.prefix();
    writer.text(head.vdisk);
    writer.long(head.number);
    writer.long(head.epoch);
    writer.long(head.generation);
    writer.long(KINDS.indexOf(head.kind));
    writer.text(head.name);
    writer.long(this.#first);
    writer.long(this.#count === 0 ? head.at : this.#firstAt);
    writer.long(this.#count === 0 ? head.at : this.#lastAt);
    writer.long(head.base);
    writer.long(head.blockSize);
    if (positions.size > 0) writer.long(positions.size);
    for (const [shard, batch] of positions) {
      writer.long(shard);
      writer.long(batch);
    }
    writer.long(0);
    if (this.#count > 0) writer.long(this.#count);
    for (let i = 0; i < this.#count; i++) {
      writer.long(this.#first + i);
      writer.long(this.#blocks[i] ?? 0);
      writer.long(this.#lengths[i] ?? 0);
      writer.long(this.#checksums[i] ?? 0);
    }
    writer.long(0);
    // Branch of `covers`: null, it stands for itself alone.
    writer.long(0);
    writer.long(this.dataBytes);
    return writer.at;
  }
}

const SINGLE_OBJECT: Buffer = Buffer.concat([
  Buffer.from([0xc3, 0x01]),
  Buffer.from(fingerprintOf('TlogSegment'), 'hex'),
]);

/** Avro's binary encoding of what a head is made of; numbers are not negative. */
class HeadWriter {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  prefix(): void {
    this.at += SINGLE_OBJECT.copy(this.#bytes, this.at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    if (length > TEXT_MAX_BYTES)
      throw new RangeError(`expected at most ${TEXT_MAX_BYTES} bytes, found ${length}`);
    this.long(length);
    this.at += this.#bytes.write(value, this.at);
  }

  /** Zigzag, then seven bits a byte. */
  long(value: number): void {
    let rest = value * 2;
    while (rest >= 0x80) {
      this.#bytes[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.at++] = rest;
  }
}
