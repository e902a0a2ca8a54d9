import { PAGE_SUMS, type SumPlace, sumPlace, type VolumeShape } from './volume-shape.ts';

/** Neighbouring blocks of one chunk, which one command reads or writes. */
export interface RecordRun {
  readonly chunk: number;
  /** Place of the first one in the chunk. */
  readonly first: number;
  count: number;
}

/** The runs of the blocks, in their order; blocks that do not follow each other are in runs of their own. */
export function recordRuns({ chunkBlocks }: VolumeShape, blocks: readonly number[]): RecordRun[] {
  const runs: RecordRun[] = [];
  let run: RecordRun | null = null;
  let next = -1;
  for (const block of blocks) {
    if (run !== null && block === next && run.first + run.count < chunkBlocks) run.count++;
    else {
      const chunk = Math.floor(block / chunkBlocks);
      run = { chunk, first: block - chunk * chunkBlocks, count: 1 };
      runs.push(run);
    }
    next = block + 1;
  }
  return runs;
}

/** Checksums that follow each other in one page of the map. */
export interface SumRun {
  readonly place: SumPlace;
  count: number;
}

/** The runs of the blocks' checksums, in their order. */
export function sumRuns(shape: VolumeShape, shards: number, blocks: readonly number[]): SumRun[] {
  const runs: SumRun[] = [];
  let run: SumRun | null = null;
  let next = -1;
  for (const block of blocks) {
    // Inside an extent the next block has the next place, as long as the page goes on.
    const goesOn = block === next && block % shape.extentBlocks !== 0;
    next = block + 1;
    if (run !== null && goesOn && run.place.at + run.count < PAGE_SUMS) {
      run.count++;
      continue;
    }
    const place = sumPlace(shape, block, shards);
    if (run !== null && follows(run, place)) run.count++;
    else {
      run = { place, count: 1 };
      runs.push(run);
    }
  }
  return runs;
}

function follows({ place, count }: SumRun, { home, page, at }: SumPlace): boolean {
  return place.home === home && place.page === page && place.at + count === at;
}
