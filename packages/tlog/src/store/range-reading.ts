/** Messages between a store and the threads that read for it. */

/** Bytes `offset` to `offset` + `length` - 1. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Ranges of a file, and where their bytes go, one behind the other. */
export interface FileRanges {
  /** Absolute. */
  readonly file: string;
  /** Offset and length of each in turn. */
  readonly ranges: Float64Array;
  readonly into: SharedArrayBuffer;
  /** Where in it they begin. */
  readonly at: number;
}

export interface RangeRequest {
  readonly id: number;
  readonly files: readonly FileRanges[];
}

/** For each file null, once its bytes are in their place, or what is wrong. */
export interface RangeAnswer {
  readonly id: number;
  readonly faults: readonly (RangeFault | null)[];
}

/** `ends`: the file is shorter; else the code of the system, such as ENOENT. */
export interface RangeFault {
  readonly code: string;
  readonly message: string;
}
