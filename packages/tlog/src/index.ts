/** The transaction log of a vdisk: what was written, in order, so that it can be brought back when no engine has it any more. */

export {
  type ArchiveEnd,
  ArchiveWriter,
  type ArchiveWriterOptions,
  archiveEnd,
  type ComparedAs,
  renumbered,
} from './archive/archive-writer.ts';
export { ArchivedImage } from './archive/archived-image.ts';
export { type Compacted, type CompactionOptions, compactLog } from './archive/compaction.ts';
export { exactPoint } from './archive/exact-point.ts';
export { hasArchive } from './archive/has-archive.ts';
export { type Retention, type RetentionPoints, retentionPoints } from './archive/retention-points.ts';
export {
  type Tier2Finding,
  type Tier2Verification,
  type VerifiedLog,
  verifyTier2,
} from './archive/tier2-verification.ts';
export {
  type Archived,
  type ArchiveLimits,
  type ArchiveStreams,
  type MissingSegments,
  VdiskArchiver,
  type VdiskArchiverOptions,
} from './archive/vdisk-archiver.ts';
export {
  type Finding,
  type VerifyOptions,
  type VerifyReport,
  verifyArchive,
} from './archive/verification.ts';
export { avroFileBlock, avroFileHeader, syncMarker } from './chunk/avro-file.ts';
export { ChunkBuilder, type ChunkFiles, MAX_CHUNK_RECORDS } from './chunk/chunk-file.ts';
export { type ChunkName, chunkFolder, LOG_ROOT, parseChunkName } from './chunk/chunk-name.ts';
export { type Coverage, decideCoverage } from './chunk/coverage.ts';
export { Tier2Source, type Tier2SourceOptions } from './chunk/tier2-source.ts';
export { type FoundChunk, type LostSegments, type ReadChunk, VdiskChunks } from './chunk/vdisk-chunks.ts';
export {
  CONFIGURATION_FOLDER,
  type ConfigurationSnapshot,
  configurationDigest,
  dropOldConfigurations,
  latestConfiguration,
  listConfigurations,
  newestConfiguration,
  putConfiguration,
  readConfiguration,
  type StoredConfiguration,
} from './configuration-snapshots.ts';
export type { ExportedVdisk } from './export/export-header.ts';
export { exportLog } from './export/export-log.ts';
export { type ExportedBlock, ExportFile, type ExportPart } from './export/export-reader.ts';
export { type ExportCounts, ExportWriter } from './export/export-writer.ts';
export { JoinedSource } from './joined-source.ts';
export { logWriters } from './log-access.ts';
export { LogError, type LogErrorCode } from './log-error.ts';
export type { LogSource, RecordIndex, SegmentCover, SegmentIndex } from './log-source.ts';
export {
  type CutPlace,
  DEFAULT_LOG_WRITER_LIMITS,
  type LogLag,
  LogWriter,
  type LogWriterLimits,
  type LogWriterOptions,
  type WriterStreams,
} from './log-writer.ts';
export type { LogPlace, LogTail } from './log-writing.ts';
export { LOGGED_BLOCK_MAX_BYTES, SEGMENT_MAX_RECORDS } from './open-segment.ts';
export { type FoundPoint, findPoint, type LogPoint } from './replay/find-point.ts';
export { LogGapError, type ReplayResult, replay, type UnprovenBlocks } from './replay/replay.ts';
export type { ReplayOptions } from './replay/replay-job.ts';
export {
  type DamagedRecord,
  type ReplayCheckpoint,
  type ReplayCounts,
  type ReplayProgress,
  replayBegins,
} from './replay/replay-state.ts';
export { type LogGap, ReplayWalk, type WalkOptions, type WalkStep } from './replay/replay-walk.ts';
export { ReplayWindow, type WindowLimits } from './replay/replay-window.ts';
export type { BlockContent, BlockRun, RestoreTarget, StoredPage } from './replay/restore-target.ts';
export { blocksOfShards, everyBlock, type WantedBlocks } from './replay/wanted-blocks.ts';
export {
  blockChecksum,
  decodeSegment,
  encodeSegment,
  LOG_SUBJECT_PREFIX,
  lastSequence,
  logStream,
  logSubject,
  SEGMENT_MAX_BYTES,
  segmentFault,
} from './segment.ts';
export { segmentIndexOf } from './segment-index.ts';
export type { AppendableStore, StoreWriter } from './store/appendable-store.ts';
export { openConfiguredStore, type TlogStoreSettings, tlogStoreSettings } from './store/configured-store.ts';
export { type DirectoryStoreOptions, openDirectoryStore } from './store/directory-store.ts';
export { openStoreAt, type StoreLocation } from './store/open-store.ts';
export { ReadMemory, SlabPool } from './store/read-memory.ts';
export type { StoredFile, Tier2Store } from './store/tier2-store.ts';
export { TailSource, type TailSourceOptions, type TailStreams } from './tail-source.ts';
