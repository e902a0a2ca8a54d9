import type { TlogSegment } from '@salvor/contracts';
import type { RecordColumns } from './record-columns.ts';
import type { ReadMemory } from './store/read-memory.ts';

/** A segment without the bytes of its blocks: what an index holds of it. */
export interface SegmentIndex {
  readonly number: number;
  readonly epoch: number;
  readonly kind: TlogSegment['kind'];
  /** Of a snapshot. */
  readonly name: string;
  /** Sequence of the first record, or the next one when it has none; the last one is `first` - 1 then. */
  readonly first: number;
  readonly last: number;
  /** Milliseconds since 1970 UTC. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Sequence at which the newest complete base begins: what no record from there on names is zeros. 0: there is none. */
  readonly base: number;
  readonly blockSize: number;
  readonly records: readonly RecordIndex[];
  /** The same records, where a source has them in this form: who looks at few of them needs no object for each. */
  readonly columns?: RecordColumns;
  /** For each shard the batch up to which everything is in the log; absent where that is not told. */
  readonly positions?: readonly { readonly shard: number; readonly batch: number }[];
  /** Only of what compaction made of several segments. */
  readonly covers?: SegmentCover;
}

/** What a compacted segment stands for: records that later ones made void were left out of it. */
export interface SegmentCover {
  /** It stands for all segments from this number to its own. */
  readonly number: number;
  /** It stands for all sequences from this one to its `last`. */
  readonly first: number;
  /** States after this sequence and later are exact; those after an earlier one are not told any more. */
  readonly exactFrom: number;
}

export interface RecordIndex {
  readonly sequence: number;
  readonly block: number;
  /** Bytes of the block in the data; 0: deleted. */
  readonly length: number;
  /** Offset of these bytes in the data of the segment. */
  readonly at: number;
  readonly checksum: number;
}

/**
 * The log of one vdisk as a reader sees it, wherever its segments are: Tier-2, the tail in JetStream, or one behind the other
 * without a seam.
 */
export interface LogSource {
  /**
   * The segments, newest first, from the one that holds `upTo` (a sequence; default: the newest) down to the oldest there is.
   * Those that are missing, or cannot be read as such, are left out: the numbers, which are gapless, tell which.
   */
  newestFirst(upTo?: number): AsyncIterable<SegmentIndex>;
  /** Number of the newest segment that is known to have been written, whether it can be read or not; 0: there is none. */
  newestNumber(): Promise<number>;
  /** The segments, oldest first, from the one that holds `from`; those that are missing are left out here too. */
  oldestFirst(from?: number): AsyncIterable<SegmentIndex>;
  /**
   * The bytes of records of one segment, in the order of `records`; reads about as many bytes as are asked for. Their
   * checksums hold. They may lie in `memory`, until that is released.
   *
   * @throws LogError `bad-segment`, `bad-chunk`, `store`
   */
  read(segment: SegmentIndex, records: readonly RecordIndex[], memory?: ReadMemory): Promise<Buffer[]>;
  close(): Promise<void>;
}
