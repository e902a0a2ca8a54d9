import type { TlogSegment } from '@salvor/contracts';
import { blockChecksum, encodeSegment } from '@salvor/tlog';
import type { SourceSegment } from '../src/source-log.ts';

export const BLOCK = 512;

export interface Change {
  readonly block: number;
  /** null: emptied. */
  readonly fill: number | null;
}

/** A segment as the log of vdisk v1 has it. */
export function segmentOf(
  number: number,
  first: number,
  changes: readonly Change[],
  more: Partial<Pick<TlogSegment, 'kind' | 'vdisk' | 'blockSize' | 'epoch' | 'base' | 'lastAt'>> = {},
): SourceSegment {
  const contents = changes.map(({ fill }) => (fill === null ? Buffer.alloc(0) : Buffer.alloc(BLOCK, fill)));
  const records = changes.map(({ block }, i) => {
    const data = contents[i] ?? Buffer.alloc(0);
    return {
      sequence: first + i,
      block,
      length: data.length,
      checksum: data.length === 0 ? 0 : blockChecksum(data),
    };
  });
  const segment: TlogSegment = {
    ...{ vdisk: 'v1', number, epoch: 1, generation: 0, kind: 'writes', name: '', first },
    ...{ firstAt: 10 * number, lastAt: 10 * number + 5, base: 1, blockSize: BLOCK, positions: [], records },
    data: Buffer.concat(contents),
    ...more,
  };
  return { bytes: encodeSegment(segment), segment };
}
