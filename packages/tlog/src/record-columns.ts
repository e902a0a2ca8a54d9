import type { TlogRecord } from '@salvor/contracts';
import type { RecordIndex } from './log-source.ts';

const COLUMNS = 5;

/** The records of a segment in columns: a log has so many that an object for each would cost more than what is read of them. */
export class RecordColumns {
  readonly count: number;
  /** One column behind the other: sequences, blocks, lengths, offsets in the data, checksums. */
  readonly #values: Float64Array;

  /** Of so many records, all zero. */
  constructor(count: number) {
    this.count = count;
    this.#values = new Float64Array(COLUMNS * count);
  }

  /** Where their offsets are not told, the bytes of each follow those of the one before. */
  static of(records: readonly (TlogRecord & { readonly at?: number })[]): RecordColumns {
    const columns = new RecordColumns(records.length);
    let next = 0;
    for (const [i, { sequence, block, length, checksum, at = next }] of records.entries()) {
      columns.set(i, sequence, block, length, at, checksum);
      next = at + length;
    }
    return columns;
  }

  set(i: number, sequence: number, block: number, length: number, at: number, checksum: number): void {
    const { count } = this;
    const values = this.#values;
    values[i] = sequence;
    values[count + i] = block;
    values[2 * count + i] = length;
    values[3 * count + i] = at;
    values[4 * count + i] = checksum;
  }

  sequence(i: number): number {
    return this.#values[i] ?? 0;
  }

  block(i: number): number {
    return this.#values[this.count + i] ?? 0;
  }

  /** Bytes of the block in the data; 0: deleted. */
  length(i: number): number {
    return this.#values[2 * this.count + i] ?? 0;
  }

  at(i: number): RecordIndex {
    return {
      sequence: this.sequence(i),
      block: this.block(i),
      length: this.length(i),
      at: this.#values[3 * this.count + i] ?? 0,
      checksum: this.#values[4 * this.count + i] ?? 0,
    };
  }

  /** Sequence of the last record, or `first` - 1 where there is none. */
  last(first: number): number {
    return this.count === 0 ? first - 1 : this.sequence(this.count - 1);
  }

  all(): RecordIndex[] {
    return Array.from({ length: this.count }, (_, i) => this.at(i));
  }

  /** As segments and indexes hold them. */
  records(): TlogRecord[] {
    return Array.from({ length: this.count }, (_, i) => ({
      sequence: this.sequence(i),
      block: this.block(i),
      length: this.length(i),
      checksum: this.#values[4 * this.count + i] ?? 0,
    }));
  }

  /** These, and others behind them. */
  with(others: RecordColumns): RecordColumns {
    if (this.count === 0) return others;
    return RecordColumns.of([...this.all(), ...others.all()]);
  }
}
