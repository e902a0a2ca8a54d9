import { LogError } from '../log-error.ts';
import type { RecordIndex } from '../log-source.ts';
import { blockChecksum } from '../segment.ts';
import type { ReplayJob } from './replay-job.ts';
import { type PassEnd, walkLog } from './restore-pass.ts';
import { surplusBlocks } from './zeros-pass.ts';

/** Blocks that are named in the error. */
const NAMED_MAX = 16;

/**
 * Reads back what the target holds, and compares it with the checksums in the log; reads no record's bytes.
 *
 * @throws LogError `differs`
 */
export async function verifyPass(job: ReplayJob): Promise<PassEnd> {
  const { target } = job.options;
  const differing: number[] = [];
  let count = 0;
  const differs = (block: number): void => {
    if (count++ < NAMED_MAX) differing.push(block);
  };
  const end = await walkLog(job, async (parts) => {
    const records = parts.flatMap((part) => part.records);
    for (let at = 0; at < records.length; at += target.stepBlocks) {
      const some = records.slice(at, at + target.stepBlocks);
      const held = await target.read(some.map(({ block }) => block));
      for (const [i, record] of some.entries()) if (!holds(held[i] ?? null, record)) differs(record.block);
      job.count({ blocksVerified: some.length });
    }
  });
  if (end === 'restart') return end;
  for await (const blocks of surplusBlocks(job, end.walk.content)) {
    const held = await target.read(blocks);
    for (const [i, block] of blocks.entries()) if (!isZeros(held[i] ?? null, 0)) differs(block);
  }
  if (count === 0) return end;
  throw new LogError(
    'differs',
    `vdisk ${job.options.vdisk}: ${count} blocks read back otherwise than the log has them after sequence ${job.options.upTo}: ${differing.join(', ')}${count > NAMED_MAX ? ' …' : ''}; replay it again, and look after its engines`,
  );
}

function holds(held: Buffer | null, { length, checksum }: RecordIndex): boolean {
  if (length === 0) return isZeros(held, 0);
  const block = held ?? Buffer.alloc(length);
  return blockChecksum(block.subarray(0, length)) === checksum && isZeros(block, length);
}

function isZeros(held: Buffer | null, from: number): boolean {
  if (held === null) return true;
  for (let at = from; at < held.length; at++) if (held[at] !== 0) return false;
  return true;
}
