import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { readFrame, readTypedFrame } from '../format/frame.ts';
import { type ChunkRow, readStorageMetadata, type SegmentRow } from './storage-metadata.ts';

/**
 * Records of the system journal, which keeps the chains of the containers' own four segments
 * (`io.pravega.segmentstore.storage.chunklayer.SystemJournal`).
 */
export type JournalRecord =
  | ChunkAddedRecord
  | TruncationRecord
  | AppendRecord
  | { readonly kind: 'snapshot'; readonly snapshot: JournalSnapshot };

export interface ChunkAddedRecord {
  readonly kind: 'chunk-added';
  readonly segment: string;
  readonly newChunk: string;
  readonly oldChunk: string | null;
  /** Of the segment, where the new chunk begins. */
  readonly offset: number;
}

export interface TruncationRecord {
  readonly kind: 'truncation';
  readonly segment: string;
  readonly offset: number;
  readonly firstChunk: string;
  readonly firstChunkStart: number;
}

export interface AppendRecord {
  readonly kind: 'append';
  readonly segment: string;
  readonly chunk: string;
  /** In the chunk. */
  readonly offset: number;
  readonly length: number;
}

export interface JournalSnapshot {
  readonly epoch: number;
  /** The journal file that was current when the snapshot was taken: what follows is in later ones. */
  readonly fileIndex: number;
  readonly segments: readonly { readonly segment: SegmentRow; readonly chunks: readonly ChunkRow[] }[];
}

const RECORD_CHUNK_ADDED = 1;
const RECORD_TRUNCATION = 2;
const RECORD_SNAPSHOT = 3;
const RECORD_APPEND = 5;
/** The shortest record has a frame of this many bytes. */
const RECORD_MIN_BYTES = 9;

/** SnapshotInfo. Throws FormatError, as the others do. */
export function readSnapshotInfo(bytes: Buffer): { readonly epoch: number; readonly snapshotId: number } {
  const body = readFrame(new ByteReader(bytes));
  return { epoch: body.compactOffset(), snapshotId: body.compactOffset() };
}

/** SystemSnapshotRecord in a file of its own. */
export function readSnapshotFile(bytes: Buffer): JournalSnapshot {
  return readSnapshot(readFrame(new ByteReader(bytes)));
}

/** SystemJournalRecordBatch: the records of one, in order. The reader is left behind it. */
export function readBatch(reader: ByteReader): JournalRecord[] {
  const body = readFrame(reader);
  const records: JournalRecord[] = [];
  for (let left = body.count(RECORD_MIN_BYTES); left > 0; left -= 1) records.push(readRecord(body));
  return records;
}

function readRecord(reader: ByteReader): JournalRecord {
  const { type, body } = readTypedFrame(reader);
  switch (type) {
    case RECORD_CHUNK_ADDED:
      return {
        kind: 'chunk-added',
        segment: body.utf(),
        newChunk: body.utf(),
        oldChunk: body.utf() || null,
        offset: body.compactOffset(),
      };
    case RECORD_TRUNCATION:
      return {
        kind: 'truncation',
        segment: body.utf(),
        offset: body.compactOffset(),
        firstChunk: body.utf(),
        firstChunkStart: body.compactOffset(),
      };
    case RECORD_SNAPSHOT:
      return { kind: 'snapshot', snapshot: readSnapshot(body) };
    case RECORD_APPEND:
      return {
        kind: 'append',
        segment: body.utf(),
        chunk: body.utf(),
        offset: body.compactOffset(),
        length: body.compactOffset(),
      };
    default:
      throw new FormatError(`expected a journal record of type 1, 2, 3 or 5, found ${type}`);
  }
}

function readSnapshot(body: ByteReader): JournalSnapshot {
  const epoch = body.compactOffset();
  const fileIndex = body.compactInt();
  const segments: JournalSnapshot['segments'][number][] = [];
  for (let left = body.count(RECORD_MIN_BYTES); left > 0; left -= 1) {
    const inner = readFrame(body);
    const segment = readStorageMetadata(inner);
    if (segment.kind !== 'segment')
      throw new FormatError(`expected a segment's metadata, found a ${segment.kind}'s`);
    const chunks: ChunkRow[] = [];
    for (let rest = inner.count(RECORD_MIN_BYTES); rest > 0; rest -= 1) {
      const chunk = readStorageMetadata(inner);
      if (chunk.kind !== 'chunk')
        throw new FormatError(`expected a chunk's metadata, found a ${chunk.kind}'s`);
      chunks.push(chunk);
    }
    segments.push({ segment, chunks });
  }
  return { epoch, fileIndex, segments };
}
