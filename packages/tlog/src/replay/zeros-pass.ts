import type { BlockBitmap } from './block-bitmap.ts';
import type { ReplayJob } from './replay-job.ts';

/** Blocks that are looked at before other work gets its turn. */
export const LOOK_BLOCKS: number = 1 << 20;
/** One block in so many is asked about by its number; where there are more, what is stored is listed. */
const FEW_OF = 8;

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
  for (let at = 0; at < target.blocks && content.count < wanted.count; ) {
    signal.throwIfAborted();
    // Most of a vdisk is either not wanted or has content: it is not asked about.
    const zeros: number[] = [];
    const lookTo = Math.min(target.blocks, at + LOOK_BLOCKS);
    let next = at;
    for (; next < lookTo && zeros.length < target.stepBlocks; next++) if (isZeros(next)) zeros.push(next);
    const [first = next] = zeros;
    if (zeros.length === target.stepBlocks && next - first < FEW_OF * zeros.length) {
      // Where they are many, what is stored may be little.
      const page = await target.stored(first, target.blocks);
      for (const run of page.runs) {
        for (let block = run.first; block < run.first + run.count; block++) {
          if (!isZeros(block) || found.push(block) < target.stepBlocks) continue;
          yield found;
          found = [];
        }
      }
      if (page.next <= first)
        throw new RangeError(`expected an answer about block ${first} and later ones, found none`);
      at = page.next;
      continue;
    }
    at = next;
    if (zeros.length === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      continue;
    }
    const stored = await target.areStored(zeros);
    for (const [i, block] of zeros.entries()) {
      if (stored[i] !== true || found.push(block) < target.stepBlocks) continue;
      yield found;
      found = [];
    }
  }
  if (found.length > 0) yield found;
}
