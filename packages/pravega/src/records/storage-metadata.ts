import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { readFrame, readTypedFrame } from '../format/frame.ts';

/**
 * Rows of `_system/containers/storage_metadata_N`, and the same records inside the system journal
 * (`io.pravega.segmentstore.storage.metadata`: ChunkMetadata, SegmentMetadata, ReadIndexBlockMetadata).
 */
export type StorageMetadata =
  | ChunkRow
  | SegmentRow
  | { readonly kind: 'read-index-block'; readonly name: string };

export interface ChunkRow {
  readonly kind: 'chunk';
  readonly name: string;
  readonly length: number;
  readonly nextChunk: string | null;
  /** False: nothing of it belongs to a segment any more, its file waits to be collected. */
  readonly active: boolean;
}

export interface SegmentRow {
  readonly kind: 'segment';
  readonly name: string;
  readonly length: number;
  readonly chunkCount: number;
  readonly startOffset: number;
  /** False: deleted, its chunks wait to be collected. */
  readonly active: boolean;
  readonly sealed: boolean;
  /** Every append is in the metadata, so that bytes beyond the length were not acknowledged as written. */
  readonly atomicWrites: boolean;
  readonly firstChunk: string | null;
  readonly lastChunk: string | null;
  readonly firstChunkStart: number;
  readonly lastChunkStart: number;
}

const TYPE_CHUNK = 2;
const TYPE_SEGMENT = 3;
const TYPE_READ_INDEX_BLOCK = 4;
const STATUS_ACTIVE = 1;
const STATUS_SEALED = 2;
const STATUS_ATOMIC_WRITES = 4;

/** Throws FormatError. Null for a row that says that there is nothing under its key any more. */
export function readStorageRow(key: string, value: Buffer): StorageMetadata | null {
  // BaseMetadataStore.TransactionData
  const reader = readFrame(new ByteReader(value));
  reader.i64();
  const name = reader.utf();
  if (name !== key) throw new FormatError(`expected the row of ${key}, found one of ${name}`);
  if (!reader.bool()) {
    if (reader.remaining === 0) return null;
    throw new FormatError(`expected nothing behind a row without a value, found ${reader.remaining} bytes`);
  }
  const row = readStorageMetadata(reader);
  if (row.name !== key) throw new FormatError(`expected metadata of ${key}, found that of ${row.name}`);
  return row;
}

export function readStorageMetadata(reader: ByteReader): StorageMetadata {
  const { type, body } = readTypedFrame(reader);
  switch (type) {
    case TYPE_CHUNK:
      return {
        kind: 'chunk',
        name: body.utf(),
        length: body.compactOffset(),
        nextChunk: nullable(body.utf()),
        active: (body.compactInt() & STATUS_ACTIVE) !== 0,
      };
    case TYPE_SEGMENT:
      return readSegmentRow(body);
    case TYPE_READ_INDEX_BLOCK:
      return { kind: 'read-index-block', name: body.utf() };
    default:
      throw new FormatError(`expected storage metadata of type 2, 3 or 4, found ${type}`);
  }
}

function readSegmentRow(body: ByteReader): SegmentRow {
  const name = body.utf();
  const length = body.compactOffset();
  const chunkCount = body.compactInt();
  const startOffset = body.compactOffset();
  const status = body.compactInt();
  body.compactLong(); // The length at which chunks are rolled over: up to 2^62-1, for never.
  const firstChunk = nullable(body.utf());
  const lastChunk = nullable(body.utf());
  body.compactLong(); // When it was modified: 0 everywhere.
  const firstChunkStart = body.compactOffset();
  const lastChunkStart = body.compactOffset();
  if (firstChunkStart > startOffset || startOffset > length || firstChunkStart > lastChunkStart)
    throw new FormatError(
      `expected first chunk <= start offset <= length, found ${firstChunkStart}, ${startOffset}, ${length}`,
    );
  if (lastChunkStart > length)
    throw new FormatError(`expected the last chunk to start before ${length}, found ${lastChunkStart}`);
  return {
    kind: 'segment',
    name,
    length,
    chunkCount,
    startOffset,
    active: (status & STATUS_ACTIVE) !== 0,
    sealed: (status & STATUS_SEALED) !== 0,
    atomicWrites: (status & STATUS_ATOMIC_WRITES) !== 0,
    firstChunk,
    lastChunk,
    firstChunkStart,
    lastChunkStart,
  };
}

/** Null strings are written as empty ones. */
function nullable(text: string): string | null {
  return text === '' ? null : text;
}
