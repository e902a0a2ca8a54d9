/** What a verification needs of a tree, whatever its layout is. */
import type { SegmentRange } from '@salvor/contracts';
import type { TableValue } from '../segment-log.ts';

/** Everything that is known of one segment of a tree, after its bytes were read once. */
export interface AccountedSegment {
  readonly facts: {
    readonly name: string;
    readonly container: number;
    readonly length: number;
    readonly startOffset: number;
    readonly sealed: boolean;
    readonly coreAttributes: Readonly<Record<string, string>>;
    readonly extendedAttributes: Readonly<Record<string, string>>;
    /** Of the bytes `[startOffset, length)`; null where not all of them can be read. */
    readonly sha256: string | null;
    readonly uncertain: Readonly<Partial<Record<string, string>>>;
  };
  readonly framing: {
    readonly kind: string;
    readonly runs: readonly (SegmentRange & { readonly events: number })[];
    readonly appendAt: number;
  };
  /** What is missing between start offset and length. */
  readonly holes: readonly SegmentRange[];
}

/** Something that is wrong with a tree, or worth knowing. */
export interface TreeFinding {
  readonly severity: 'damage' | 'note';
  readonly code: string;
  readonly message: string;
}

/** Segments are named by their place in the list, 0 to `outline.segments` - 1. */
export interface VerifiableTree {
  readonly outline: { readonly segments: number; readonly files: number };
  list(from: number, count: number): Promise<readonly { readonly name: string }[]>;
  account(index: number): Promise<AccountedSegment>;
  /** Walks what an account does not: every entry of a table, every record of an event index. */
  walk(index: number): Promise<{ readonly entries: number; readonly indexRecords: number }>;
  read(index: number, offset: number, length: number): Promise<Buffer>;
  entries(index: number): AsyncIterable<TableValue>;
  /** The next files, from their first to their last byte; those of no segment, too. */
  readFiles(
    count: number,
  ): Promise<{ readonly files: number; readonly bytes: number; readonly done: boolean }>;
  findings(): Promise<readonly TreeFinding[]>;
}
