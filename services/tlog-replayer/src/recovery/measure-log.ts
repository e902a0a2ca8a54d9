import type { RecoveryVdisk } from '@salvor/config-store';
import { findPoint, LogError, type LogSource, ReplayWalk, type WantedBlocks } from '@salvor/tlog';

export type Measured = Pick<RecoveryVdisk, 'vdisk' | 'recoverable' | 'unproven' | 'why' | 'log'>;

/**
 * Walks through the index of a log: what a replay would write, and what it could not prove. Nothing is read but indexes.
 *
 * @throws LogError `store`, `bad-chunk`, `bad-segment`
 */
export async function measureLog(
  source: LogSource,
  {
    vdisk,
    wanted,
    signal,
  }: { readonly vdisk: string; readonly wanted: WantedBlocks; readonly signal: AbortSignal },
): Promise<Measured> {
  try {
    const point = await findPoint(vdisk, source, { kind: 'newest' }, { acceptLoss: true });
    const walk = new ReplayWalk({ vdisk, wanted, upTo: point.sequence });
    let blocks = 0;
    let bytes = 0;
    let isWhole = false;
    for await (const segment of source.newestFirst(point.sequence)) {
      signal.throwIfAborted();
      const { records, isLast } = walk.take(segment);
      for (const { length } of records) {
        blocks++;
        bytes += length;
      }
      isWhole = isLast;
      if (isLast) break;
    }
    if (!isWhole) walk.end();
    const log = { blocks, bytes, last: point.sequence, at: Date.now() };
    if (point.isBroken) {
      const why = `its log is not whole since sequence ${point.sequence}: what was written later is not in it`;
      return { vdisk, recoverable: 'part', why, log };
    }
    const [gap] = walk.gaps;
    if (gap === undefined || walk.unprovenCount === 0) return { vdisk, recoverable: 'all', log };
    const why = `its log lacks sequences ${gap.fromSequence} to ${gap.toSequence}: what ${walk.unprovenCount} blocks held last is not provable`;
    return { vdisk, recoverable: 'part', why, log, unproven: walk.unprovenCount };
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'not-restorable') throw error;
    const log = { blocks: 0, bytes: 0, last: 0, at: Date.now() };
    return { vdisk, recoverable: 'nothing', why: error.message, log };
  }
}
