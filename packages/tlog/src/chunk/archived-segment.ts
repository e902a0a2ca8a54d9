import type { TlogIndexEntry } from '@salvor/contracts';
import type { RecordIndex, SegmentCover, SegmentIndex } from '../log-source.ts';
import type { RecordColumns } from '../record-columns.ts';
import { columnsOf } from './index-entries.ts';

/** A segment as the index of a chunk tells of it; its records become objects when they are asked for. */
export class ArchivedSegment implements SegmentIndex {
  readonly number: number;
  readonly epoch: number;
  readonly kind: SegmentIndex['kind'];
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly base: number;
  readonly blockSize: number;
  readonly positions: TlogIndexEntry['positions'];
  readonly covers?: SegmentCover;
  readonly columns: RecordColumns;
  #records: readonly RecordIndex[] | null = null;

  constructor(entry: TlogIndexEntry) {
    this.number = entry.number;
    this.epoch = entry.epoch;
    this.kind = entry.kind;
    this.name = entry.name;
    this.first = entry.first;
    this.firstAt = entry.firstAt;
    this.lastAt = entry.lastAt;
    this.base = entry.base;
    this.blockSize = entry.blockSize;
    this.positions = entry.positions;
    if (entry.covers !== undefined) this.covers = entry.covers;
    this.columns = columnsOf(entry);
    this.last = this.columns.last(entry.first);
  }

  get records(): readonly RecordIndex[] {
    this.#records ??= this.columns.all();
    return this.#records;
  }
}
