/** A part of a vdisk that is stored, or of which nothing is stored and which therefore reads as zeros. */
export interface Extent {
  readonly lengthBytes: number;
  readonly allocated: boolean;
}

/** The blocks of a vdisk that a question about extents is about, and where they are. */
export interface ExtentsQuery {
  readonly offsetBytes: number;
  /** Not zero. */
  readonly lengthBytes: number;
  readonly blockSizeBytes: number;
  /** Shards that hold blocks. */
  readonly shards: readonly ShardContents[];
  /** Place in `shards` of the shard that holds a block. */
  shardOf(block: number): number;
  /** Whether the shard at that place holds the block, or may: one that is being moved is on two. Default: by `shardOf`. */
  mayHold?(place: number, block: number): boolean;
}

/** What a shard tells of the blocks it stores. */
export interface ShardContents {
  stored(blocks: readonly number[]): Promise<boolean[]>;
  /** All of them, in any order; null when there are more than `most`. */
  storedAtMost(most: number): Promise<number[] | null>;
}

/** Blocks asked about one by one for a single answer. */
export const EXTENT_BLOCKS_MAX = 8192;
/** Names of stored blocks that a shard is asked to list: a bound on how long its engine is busy with it. */
export const LISTED_BLOCKS_MAX = 16_384;

/**
 * The extents from the first byte of the range on, neighbours merged. Where little is stored, shards list what they
 * have, and the whole range is covered; else blocks are asked about one by one, and that may cover only a prefix.
 */
export async function findExtents(query: ExtentsQuery): Promise<Extent[]> {
  const { offsetBytes, lengthBytes, blockSizeBytes } = query;
  const first = Math.floor(offsetBytes / blockSizeBytes);
  const end = Math.ceil((offsetBytes + lengthBytes) / blockSizeBytes);
  const listed = await listStored(query, end - first);
  const runs =
    listed === null
      ? await askRuns(query, first, Math.min(end, first + EXTENT_BLOCKS_MAX))
      : listedRuns(listed, first, end);
  return toExtents(runs, offsetBytes, offsetBytes + lengthBytes, blockSizeBytes);
}

/** Blocks up to `end` that are alike; they begin where the run before ends. */
interface Run {
  end: number;
  readonly allocated: boolean;
}

/** All that is stored, when listing it is less work than asking for each block. */
async function listStored(query: ExtentsQuery, blocks: number): Promise<number[] | null> {
  const { shards } = query;
  const mayHold = (place: number, block: number): boolean =>
    query.mayHold?.(place, block) ?? query.shardOf(block) === place;
  const most = Math.min(LISTED_BLOCKS_MAX, Math.ceil(blocks / shards.length));
  const lists = await Promise.all(shards.map((shard) => shard.storedAtMost(most)));
  const all: number[] = [];
  for (const [place, list] of lists.entries()) {
    if (list === null) return null;
    // What a shard keeps of blocks that are now placed elsewhere is not read, so it does not count.
    for (const block of list) if (mayHold(place, block)) all.push(block);
  }
  return [...new Set(all)].sort((a, b) => a - b);
}

function listedRuns(stored: readonly number[], first: number, end: number): Run[] {
  const runs: Run[] = [];
  let next = first;
  for (const block of stored) {
    if (block < first || block >= end) continue;
    if (block > next) addRun(runs, block, false);
    addRun(runs, block + 1, true);
    next = block + 1;
  }
  if (next < end) addRun(runs, end, false);
  return runs;
}

async function askRuns({ shards, shardOf }: ExtentsQuery, first: number, end: number): Promise<Run[]> {
  const asked: number[][] = shards.map(() => []);
  for (let block = first; block < end; block++) asked[shardOf(block)]?.push(block);
  const isStored = new Uint8Array(end - first);
  await Promise.all(
    shards.map(async (shard, place) => {
      const blocks = asked[place] ?? [];
      const found = await shard.stored(blocks);
      for (const [i, block] of blocks.entries()) isStored[block - first] = found[i] === true ? 1 : 0;
    }),
  );
  const runs: Run[] = [];
  for (const [i, stored] of isStored.entries()) addRun(runs, first + i + 1, stored === 1);
  return runs;
}

function addRun(runs: Run[], end: number, allocated: boolean): void {
  const last = runs.at(-1);
  if (last?.allocated === allocated) last.end = end;
  else runs.push({ end, allocated });
}

/** The runs in bytes, cut to the range. */
function toExtents(runs: readonly Run[], from: number, to: number, blockSizeBytes: number): Extent[] {
  let position = from;
  return runs.map(({ end, allocated }) => {
    const next = Math.min(end * blockSizeBytes, to);
    const lengthBytes = next - position;
    position = next;
    return { lengthBytes, allocated };
  });
}
