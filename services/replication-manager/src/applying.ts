import { SalvorError } from '@salvor/service-kit';
import type { SourceSegment } from './source-log.ts';

/** The vdisk that segments are applied to; {@link WholeBlocks} of a mounted one is. */
export interface AppliedTo {
  readonly blocks: number;
  readonly blockSize: number;
  readonly stepBlocks: number;
  write(blocks: readonly { readonly block: number; readonly data: Buffer | null }[]): Promise<void>;
}

export interface Applied {
  /** Last record. */
  readonly sequence: number;
  /** When it was written, by the clock of the primary; 0: there was none. */
  readonly writtenAt: number;
  readonly bytes: number;
}

/**
 * Brings the vdisk to the state after the last of these segments, or after the record `upTo` in them; each block is written once. What was begun and not ended is
 * done by applying the same segments again.
 *
 * @throws SalvorError `different-shape`: the other vdisk is larger, or has other blocks; VdiskIoError
 */
export async function applySegments(
  target: AppliedTo,
  segments: readonly SourceSegment[],
  after: number,
  upTo: number = Number.POSITIVE_INFINITY,
): Promise<Applied> {
  const content = new Map<number, Buffer | null>();
  let sequence = after;
  let writtenAt = 0;
  for (const { segment } of segments) {
    if (segment.blockSize !== target.blockSize)
      throw new SalvorError(
        'different-shape',
        `the other zone has blocks of ${segment.blockSize} bytes, this one of ${target.blockSize}: make the vdisk here anew like the other one`,
      );
    let at = 0;
    for (const { sequence: own, block, length } of segment.records) {
      const data = length === 0 ? null : whole(segment.data.subarray(at, at + length), target.blockSize);
      at += length;
      if (own <= after || own > upTo) continue;
      if (block >= target.blocks)
        throw new SalvorError(
          'different-shape',
          `the other zone wrote block ${block}, the vdisk here has ${target.blocks}: resize it to the size of the other one`,
        );
      content.set(block, data);
      sequence = own;
    }
    const begins = segment.records[0]?.sequence;
    if (begins !== undefined && begins <= upTo) writtenAt = segment.lastAt;
  }
  const changes = [...content].map(([block, data]) => ({ block, data }));
  for (let from = 0; from < changes.length; from += target.stepBlocks)
    await target.write(changes.slice(from, from + target.stepBlocks));
  return { sequence, writtenAt, bytes: changes.length * target.blockSize };
}

/** The last block of a vdisk may be logged short. */
function whole(data: Buffer, blockSize: number): Buffer {
  return data.length === blockSize ? data : Buffer.concat([data, Buffer.alloc(blockSize - data.length)]);
}
