import type { TlogRecord } from '@salvor/contracts';
import type { RecordIndex } from './log-source.ts';

/** The records of a segment in columns: a log has so many that an object for each would cost more than what is read of them. */
export class RecordColumns {
  readonly sequences: Float64Array;
  readonly blocks: Float64Array;
  /** Bytes of the block in the data; 0: deleted. */
  readonly lengths: Float64Array;
  readonly checksums: Float64Array;
  /** Offsets in the data. */
  readonly offsets: Float64Array;

  /** Of so many records, all zero. */
  constructor(count: number) {
    this.sequences = new Float64Array(count);
    this.blocks = new Float64Array(count);
    this.lengths = new Float64Array(count);
    this.checksums = new Float64Array(count);
    this.offsets = new Float64Array(count);
  }

  /** Where their offsets are not told, the bytes of each follow those of the one before. */
  static of(records: readonly (TlogRecord & { readonly at?: number })[]): RecordColumns {
    const columns = new RecordColumns(records.length);
    let offset = 0;
    for (const [i, { sequence, block, length, checksum, at = offset }] of records.entries()) {
      columns.sequences[i] = sequence;
      columns.blocks[i] = block;
      columns.lengths[i] = length;
      columns.checksums[i] = checksum;
      columns.offsets[i] = at;
      offset = at + length;
    }
    return columns;
  }

  /** Begins with those of another one. */
  take(other: RecordColumns): void {
    this.sequences.set(other.sequences);
    this.blocks.set(other.blocks);
    this.lengths.set(other.lengths);
    this.checksums.set(other.checksums);
    this.offsets.set(other.offsets);
  }

  get count(): number {
    return this.sequences.length;
  }

  /** Record `i`, which must be there. */
  at(i: number): RecordIndex {
    return {
      sequence: this.sequences[i] ?? 0,
      block: this.blocks[i] ?? 0,
      length: this.lengths[i] ?? 0,
      at: this.offsets[i] ?? 0,
      checksum: this.checksums[i] ?? 0,
    };
  }

  all(): RecordIndex[] {
    return Array.from({ length: this.count }, (_, i) => this.at(i));
  }

  /** As segments and indexes hold them. */
  records(): TlogRecord[] {
    const { sequences, blocks, lengths, checksums } = this;
    return Array.from({ length: this.count }, (_, i) => ({
      sequence: sequences[i] ?? 0,
      block: blocks[i] ?? 0,
      length: lengths[i] ?? 0,
      checksum: checksums[i] ?? 0,
    }));
  }
}
