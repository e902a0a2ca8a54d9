/** A block as it is to be; null: zeros. */
export interface BlockContent {
  readonly block: number;
  readonly data: Buffer | null;
}

/** Blocks `first` to `first` + `count` - 1. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
}

export interface StoredPage {
  readonly runs: readonly BlockRun[];
  /** The first block that the answer does not cover. */
  readonly next: number;
}

/** What a replay writes to: a vdisk that is owned for it, so that every member of its pairs gets what is written. */
export interface RestoreTarget {
  /** Blocks of the vdisk. */
  readonly blocks: number;
  readonly blockSize: number;
  /** Blocks that one call of {@link write} and {@link read} does best with, and takes at most. */
  readonly stepBlocks: number;
  /** Resolves when all of it is on every member that must have it. Each block is named once; content has the size of a block. */
  write(changes: readonly BlockContent[]): Promise<void>;
  /** The content of blocks, in their order; null: zeros. */
  read(blocks: readonly number[]): Promise<(Buffer | null)[]>;
  /** Which of the blocks from `first` to before `end` are stored; of a prefix at least, but never of nothing. */
  stored(first: number, end: number): Promise<StoredPage>;
  /** Whether each of the blocks, of which there are {@link stepBlocks} at most, is stored. */
  areStored(blocks: readonly number[]): Promise<boolean[]>;
}
