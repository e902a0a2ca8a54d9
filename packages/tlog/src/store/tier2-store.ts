import type { ByteRange } from './range-reading.ts';
import type { ReadMemory } from './read-memory.ts';

/** What a store tells about a file. */
export interface StoredFile {
  /** Relative to the root of the store, with `/` between folders. */
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Where Tier-2 of the log is kept: a folder, or a bucket of an S3-compatible service. Files are written whole and never changed
 * afterwards; a reader sees all of a file or none of it.
 *
 * Paths are relative, such as `tlog/1/v1/…avro`; see {@link requirePath}. Files of others below the root are left alone: they are
 * not listed, unless their name could be ours.
 *
 * @throws LogError `store` when the store cannot be reached or refuses; `bad-chunk` for a file that is not there or ends early
 */
export interface Tier2Store {
  /** Where it is, for people: `folder /var/lib/salvor`, `s3://bucket/prefix at http://10.0.0.1:9000`. */
  readonly name: string;
  /** Stores a file, and returns once it is durable. One of the same path is replaced. */
  put(path: string, parts: readonly Uint8Array[]): Promise<void>;
  /** Exactly these bytes of a file. */
  read(path: string, offset: number, length: number): Promise<Buffer>;
  /**
   * Exactly the bytes of each range of a file, in order; for many small ones, none empty, some MiB in all. They may lie in
   * `memory`, until that is released.
   */
  readRanges(path: string, ranges: readonly ByteRange[], memory?: ReadMemory): Promise<Buffer[]>;
  /** The files whose path begins with `prefix`, which ends with `/`, in any order. */
  list(prefix: string): AsyncIterable<StoredFile>;
  /** Null when it is not there. */
  stat(path: string): Promise<StoredFile | null>;
  /** Nothing happens when it is not there. */
  delete(path: string): Promise<void>;
  /** Removes what writers that died in the middle of a put left below a prefix. */
  tidy(prefix: string): Promise<void>;
  close(): Promise<void>;
}
