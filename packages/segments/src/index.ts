/** Segments in Tier-1: their metadata is in etcd, their bytes are in one JetStream stream for each container. */

export { decideTier2Layout, type Tier2Layout } from './decide-tier2-layout.ts';
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
export { compareSegment, type SegmentDifference } from './verify/compare-segment.ts';
export type { AccountedSegment, TreeFinding, VerifiableTree } from './verify/verifiable-tree.ts';
export { type TreeVerification, type VerifiedSegment, verifyTree } from './verify/verify-tree.ts';
