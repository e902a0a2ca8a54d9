import type { BlockBitmap } from './block-bitmap.ts';
import type { ReplayJob } from './replay-job.ts';

/** Blocks that are looked at before other work gets its turn. */
export const LOOK_BLOCKS: number = 1 << 20;

/** Removes what is stored of the wanted blocks that no record gives content to. */
export async function zerosPass(job: ReplayJob, content: BlockBitmap): Promise<void> {
  const { target } = job.options;
  for await (const blocks of surplusBlocks(job, content)) {
    await target.write(blocks.map((block) => ({ block, data: null })));
    job.count({ blocksDeleted: blocks.length });
    await job.report(null);
  }
}

/** Wanted blocks that are stored and have no content in the log, in lists of a step at most. */
export async function* surplusBlocks(
  { options: { target, wanted, signal } }: ReplayJob,
  content: BlockBitmap,
): AsyncIterable<readonly number[]> {
  let found: number[] = [];
  const isZeros = (block: number): boolean => wanted.has(block) && !content.has(block);
  for (let at = 0; content.count < wanted.count; ) {
    signal.throwIfAborted();
    // Most of a vdisk is either not wanted or has content: it is not asked about.
    const lookTo = Math.min(target.blocks, at + LOOK_BLOCKS);
    while (at < lookTo && !isZeros(at)) at++;
    if (at >= target.blocks) break;
    if (at >= lookTo) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      continue;
    }
    const { runs, next } = await target.stored(at, target.blocks);
    for (const { first, count } of runs) {
      for (let block = first; block < first + count; block++) {
        if (!isZeros(block) || found.push(block) < target.stepBlocks) continue;
        yield found;
        found = [];
      }
    }
    if (next <= at) throw new RangeError(`expected an answer about block ${at} and later ones, found none`);
    at = next;
  }
  if (found.length > 0) yield found;
}
