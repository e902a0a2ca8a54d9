import { CHECKSUM_BYTES, hasChecksum, matchesChecksum } from '../checksum.ts';
import type { ReadPart } from '../read-part.ts';
import { type RespError, RespProtocolError } from '../resp.ts';
import type { BlockPlacer } from './block-layout.ts';
import { type RecordRun, recordRuns } from './volume-runs.ts';
import type { VolumeShape } from './volume-shape.ts';

/** Buffers kept for the replies to come, each as long as a chunk. */
const SCRATCH_MAX = 16;

/** Takes runs of records: each block goes to its place when it matches its checksum, and is noted as corrupt when not. */
export class RecordPlacer implements BlockPlacer {
  readonly at = 0;
  readonly #parts: readonly ReadPart[];
  readonly #shape: VolumeShape;
  readonly #free: Buffer[];
  readonly #scratch: Buffer;
  #part = -1;
  #runs: readonly RecordRun[] = [];
  #run = 0;
  /** Place in the part of the run's first block. */
  #index = 0;
  /** Bytes of the reply that was received last and is not placed yet; -1 = none. */
  #length = -1;

  constructor(parts: readonly ReadPart[], shape: VolumeShape, free: Buffer[]) {
    this.#parts = parts;
    this.#shape = shape;
    this.#free = free;
    this.#scratch = free.pop() ?? Buffer.allocUnsafeSlow(shape.chunkBytes);
  }

  bulk(length: number): Buffer {
    this.#settle();
    const { count } = this.#next();
    if (length > count * this.#shape.recordBytes)
      throw new RespProtocolError(`it sent ${length} bytes for ${count} records`);
    this.#length = length;
    return this.#scratch;
  }

  scalar(_value: number | string | RespError | null): void {
    throw new RespProtocolError('it answered a GETRANGE without a string');
  }

  finish(): void {
    this.#settle();
    if (this.#free.length < SCRATCH_MAX) this.#free.push(this.#scratch);
  }

  /** The run that the next reply is about. */
  #next(): RecordRun {
    this.#index += this.#runs[this.#run]?.count ?? 0;
    this.#run++;
    while (this.#run >= this.#runs.length) {
      const part = this.#parts[++this.#part];
      if (part === undefined) throw new RespProtocolError('it sent more values than it was asked for');
      this.#runs = recordRuns(this.#shape, part.blocks);
      this.#run = this.#index = 0;
    }
    const run = this.#runs[this.#run];
    if (run === undefined) throw new RangeError('a part has runs');
    return run;
  }

  #settle(): void {
    const [length, part, run] = [this.#length, this.#parts[this.#part], this.#runs[this.#run]];
    this.#length = -1;
    if (length < 0 || part === undefined || run === undefined) return;
    for (let i = 0; i < run.count; i++)
      this.#place(part, this.#index + i, i * this.#shape.recordBytes, length);
  }

  #place(part: ReadPart, index: number, from: number, length: number): void {
    const { recordBytes, blockSizeBytes } = this.#shape;
    const to = part.placeOf(index);
    const isThere = from + recordBytes <= length;
    if (isThere ? !hasChecksum(this.#scratch, from) : from >= length) {
      part.into.fill(0, to, to + blockSizeBytes);
      return;
    }
    const data = this.#scratch.subarray(from + CHECKSUM_BYTES, from + recordBytes);
    // A record that is cut off was not written by this layout, whatever its checksum says.
    if (!isThere || !matchesChecksum(this.#scratch, from, data)) return part.noteCorrupt(index);
    data.copy(part.into, to);
    part.noteStored(index);
  }
}
