/** What both layouts of Tier-2 are read into. */

import type { MetadataRows } from './metadata-rows.ts';
import type { SegmentInfo } from './records/segment-info.ts';
import type { StoredSegment } from './stored-segment.ts';

export type LayoutName = 'chunked' | 'legacy';

export interface Layout {
  readonly name: LayoutName;
  /** All that the storage has: attribute indexes and the containers' own segments, too. */
  readonly segments: ReadonlyMap<string, StoredSegment>;
  /** Containers whose metadata, or a trace of it, is there. */
  readonly containers: ReadonlyMap<number, ContainerRows>;
  /** Segments that the storage knows to be gone, and how it knows. */
  readonly gone: ReadonlyMap<string, string>;
}

export interface ContainerRows {
  /** `_system/containers/metadata_N` */
  readonly metadata: MetadataRows<SegmentInfo>;
}
