/** Readers of Pravega's Tier-2 trees, which need nothing but the directory. */
export { hasPravegaFiles } from './has-pravega-files.ts';
export type { LayoutName } from './layout.ts';
export type { UncertainFact } from './merge/decide-segment.ts';
export { type FactOrigin, unknowable } from './merge/provenance.ts';
export { containerOfSegment } from './naming/container-mapping.ts';
export {
  type ListedSegment,
  type OpenTreeOptions,
  openTree,
  PravegaTree,
  type SegmentFacts,
  type SegmentFraming,
} from './pravega-tree.ts';
export { everySegment, segmentsAsJson, writeContainerCsv } from './segment-lists.ts';
export type { TableContent } from './table/table-entries.ts';
export { TreeReader, type TreeReaderOptions } from './thread/tree-reader.ts';
export type { ContainerOutline, SegmentAccount, TreeOutline } from './thread/tree-requests.ts';
export type { Finding, FindingCode } from './tree/finding.ts';
export type { ByteRange, SegmentBytes } from './tree/segment-bytes.ts';
