import { LogError } from '../log-error.ts';
import type { LogSource, SegmentIndex } from '../log-source.ts';
import type { FoundPoint, LogPoint } from '../replay/find-point.ts';

/**
 * The record that stands for a point in an archive. Of a time, and of the newest state, the newest one that can be restored: there
 * are stretches of which no state is told, of a backup, and of what was compacted.
 *
 * @throws LogError `not-restorable`
 */
export async function exactPoint(
  volume: string,
  source: LogSource,
  point: Exclude<LogPoint, { kind: 'snapshot' }>,
): Promise<FoundPoint> {
  let oldest: SegmentIndex | null = null;
  const from = point.kind === 'sequence' ? point.sequence + 1 : undefined;
  for await (const segment of source.newestFirst(from)) {
    oldest = segment;
    if (segment.base < 1) continue;
    const { last, lastAt } = segment;
    const exactFrom = segment.covers?.exactFrom ?? 0;
    if (point.kind === 'sequence') {
      // What begins behind it with blocks of a backup, or was compacted, says nothing of what was there before.
      const isUntold = segment.covers !== undefined && segment.covers.first > point.sequence;
      if (segment.first > point.sequence + 1 || isUntold) continue;
      if (last < point.sequence)
        throw new LogError(
          'not-restorable',
          `volume ${volume}: the archive ends with record ${last}, before ${point.sequence}`,
        );
      if (point.sequence < exactFrom) throw untold(volume, point.sequence, exactFrom);
      return { sequence: point.sequence, at: lastAt, isBroken: false };
    }
    if (exactFrom > last || (point.kind === 'time' && lastAt > point.at)) continue;
    return { sequence: last, at: lastAt, isBroken: false };
  }
  if (oldest === null) throw new LogError('not-restorable', `volume ${volume}: the archive holds nothing`);
  throw new LogError(
    'not-restorable',
    `volume ${volume}: the archive holds no state that can be restored ${point.kind === 'time' ? `of ${new Date(point.at).toISOString()} or before; it begins at ${new Date(oldest.firstAt).toISOString()}` : ''}`,
  );
}

function untold(volume: string, sequence: number, exactFrom: number): LogError {
  return new LogError(
    'not-restorable',
    `volume ${volume}: the state after record ${sequence} is not told: it lies within a backup, or was compacted; the next one is that after record ${exactFrom}`,
  );
}
