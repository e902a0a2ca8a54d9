/** Segments in Tier-1: their metadata is in etcd, their bytes are in one JetStream stream for each container. */
export { type EventPiece, EventPieces, type PlainEvent } from './event-pieces.ts';
export {
  contentOf,
  extendedAttributesOf,
  type LastOfLog,
  lastOfContent,
  readSegmentLog,
  type SegmentPlace,
  type SegmentStreams,
  type TableValue,
  tableValuesOf,
} from './segment-log.ts';
export { SegmentLogWriter, type SegmentLogWriterOptions } from './segment-log-writer.ts';
export { type SegmentPart, segmentPartSubject, segmentStream, segmentSubject } from './segment-subject.ts';
