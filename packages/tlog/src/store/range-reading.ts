/** Messages between a store and the threads that read for it. */

/** Bytes `offset` to `offset` + `length` - 1. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface FileRanges {
  /** Absolute. */
  readonly file: string;
  readonly ranges: readonly ByteRange[];
}

export interface RangeRequest {
  readonly id: number;
  readonly files: readonly FileRanges[];
}

/** The bytes of all ranges, one after the other; or for a file what is wrong. */
export interface RangeAnswer {
  readonly id: number;
  readonly bytes: ArrayBuffer;
  readonly faults: readonly (RangeFault | null)[];
}

/** `ends`: the file is shorter; else the code of the system, such as ENOENT. */
export interface RangeFault {
  readonly code: string;
  readonly message: string;
}
