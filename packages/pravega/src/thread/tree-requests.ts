/** What can be asked of a tree that another thread reads. */
import type { LayoutName } from '../layout.ts';
import type { FactOrigin } from '../merge/provenance.ts';
import type {
  FilesRead,
  ListedSegment,
  OpenTreeOptions,
  SegmentFacts,
  SegmentFraming,
} from '../pravega-tree.ts';
import type { TableContent } from '../table/table-entries.ts';
import type { Finding } from '../tree/finding.ts';
import type { ByteRange } from '../tree/segment-bytes.ts';
import type { TreeFile } from '../tree/tree-walk.ts';

export interface TreeOutline {
  /** Resolved, without links. */
  readonly root: string;
  readonly layout: LayoutName;
  readonly containerCount: number;
  readonly containers: readonly ContainerOutline[];
  readonly segments: number;
  readonly files: number;
  /** Highest epoch of any container that left a trace. */
  readonly epoch: number;
  readonly containerFiles: readonly TreeFile[];
}

export interface ContainerOutline {
  readonly container: number;
  readonly segments: number;
  /** Between start offsets and lengths. */
  readonly bytes: number;
  /** Segments of which a fact is uncertain. */
  readonly uncertain: number;
}

export interface SegmentAccount {
  readonly facts: SegmentFacts;
  readonly framing: SegmentFraming;
  readonly origins: readonly FactOrigin[];
  /** What is missing between start offset and length. */
  readonly holes: readonly ByteRange[];
}

/** Entries of a table, piece by piece; `done` with the last ones. */
export interface EntryBatch {
  readonly entries: readonly TableContent[];
  readonly done: boolean;
}

/** Method -> what it takes and gives. Segments are named by their place in the list. */
export interface TreeMethods {
  readonly open: {
    readonly takes: readonly [root: string, options: OpenTreeOptions];
    readonly gives: TreeOutline;
  };
  readonly list: {
    readonly takes: readonly [from: number, count: number];
    readonly gives: readonly ListedSegment[];
  };
  readonly facts: { readonly takes: readonly [index: number]; readonly gives: SegmentFacts };
  readonly account: { readonly takes: readonly [index: number]; readonly gives: SegmentAccount };
  readonly read: {
    readonly takes: readonly [index: number, offset: number, length: number];
    readonly gives: Uint8Array;
  };
  /** Goes on where the last call for this segment ended. */
  readonly entries: { readonly takes: readonly [index: number]; readonly gives: EntryBatch };
  /** The next files, from their first to their last byte; goes on where the last call ended. */
  readonly readFiles: { readonly takes: readonly [count: number]; readonly gives: FilesRead };
  readonly walk: {
    readonly takes: readonly [index: number];
    readonly gives: { readonly entries: number; readonly indexRecords: number };
  };
  readonly findings: { readonly takes: readonly []; readonly gives: readonly Finding[] };
}

export type TreeMethod = keyof TreeMethods;

export interface TreeRequest {
  readonly id: number;
  readonly method: TreeMethod;
  readonly takes: readonly unknown[];
}

export interface TreeAnswer {
  readonly id: number;
  readonly gives?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}
