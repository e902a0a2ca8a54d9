import { CHECKSUM_BYTES, hasChecksum, matchesChecksum } from '../checksum.ts';
import type { ReadPart } from '../read-part.ts';
import { type RespError, RespProtocolError } from '../resp.ts';
import type { BlockPlacer } from './block-layout.ts';
import type { VolumeShape } from './volume-shape.ts';

/** Buffers kept for the replies to come, each as long as a chunk. */
const SCRATCH_MAX = 16;

/** Takes runs of records: each block goes to its place when it matches its checksum, and is noted as corrupt when not. */
export class RecordPlacer implements BlockPlacer {
  readonly at = 0;
  readonly #parts: readonly ReadPart[];
  readonly #shape: VolumeShape;
  readonly #free: Buffer[];
  /** Taken for the first reply and given back after the last: a link has one at a time, however much it was asked. */
  #scratch: Buffer | null = null;
  /** Blocks of each run, which is one reply. */
  readonly #counts: readonly number[];
  #run = -1;
  #part = 0;
  /** Place in the part of the run's first block. */
  #index = 0;
  /** Bytes of the reply that was received last and is not placed yet; -1 = none. */
  #length = -1;

  constructor(parts: readonly ReadPart[], counts: readonly number[], shape: VolumeShape, free: Buffer[]) {
    this.#parts = parts;
    this.#counts = counts;
    this.#shape = shape;
    this.#free = free;
  }

  bulk(length: number): Buffer {
    this.#settle();
    const count = this.#counts[++this.#run];
    if (count === undefined) throw new RespProtocolError('it sent more values than it was asked for');
    if (length > count * this.#shape.recordBytes)
      throw new RespProtocolError(`it sent ${length} bytes for ${count} records`);
    this.#length = length;
    this.#scratch ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#shape.chunkBytes);
    return this.#scratch;
  }

  scalar(_value: number | string | RespError | null): void {
    throw new RespProtocolError('it answered a GETRANGE without a string');
  }

  finish(): void {
    this.#settle();
    if (this.#scratch !== null && this.#free.length < SCRATCH_MAX) this.#free.push(this.#scratch);
    this.#scratch = null;
  }

  #settle(): void {
    const [length, part, count] = [this.#length, this.#parts[this.#part], this.#counts[this.#run]];
    const scratch = this.#scratch;
    this.#length = -1;
    if (length < 0 || scratch === null || part === undefined || count === undefined) return;
    for (let i = 0; i < count; i++)
      this.#place(part, this.#index + i, scratch, i * this.#shape.recordBytes, length);
    this.#index += count;
    // A run never reaches into the next part.
    if (this.#index < part.blocks.length) return;
    this.#part++;
    this.#index = 0;
  }

  #place(part: ReadPart, index: number, scratch: Buffer, from: number, length: number): void {
    const { recordBytes, blockSizeBytes } = this.#shape;
    const to = part.placeOf(index);
    const isThere = from + recordBytes <= length;
    if (isThere ? !hasChecksum(scratch, from) : from >= length) {
      part.into.fill(0, to, to + blockSizeBytes);
      return;
    }
    const data = scratch.subarray(from + CHECKSUM_BYTES, from + recordBytes);
    // A record that is cut off was not written by this layout, whatever its checksum says.
    if (!isThere || !matchesChecksum(scratch, from, data)) return part.noteCorrupt(index);
    data.copy(part.into, to);
    part.noteStored(index);
  }
}
