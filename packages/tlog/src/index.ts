/** The transaction log of a vdisk: what was written, in order, so that it can be brought back when no engine has it any more. */
export { containerOf } from './container.ts';
export { LogError, type LogErrorCode } from './log-error.ts';
export type { LogSource, RecordIndex, SegmentIndex } from './log-source.ts';
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
export { type DirectoryStoreOptions, openDirectoryStore } from './store/directory-store.ts';
export { openStoreAt, type StoreLocation } from './store/open-store.ts';
export type { StoredFile, Tier2Store } from './store/tier2-store.ts';
