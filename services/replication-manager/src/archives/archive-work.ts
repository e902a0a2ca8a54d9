import type { ArchiveNews, ArchiveRecord } from '@salvor/config-store';
import type { ArchiveWriter, ReplayWindow, VdiskChunks } from '@salvor/tlog';

/** What writing one archive of a volume needs. */
export interface ArchiveWork {
  readonly chunks: VdiskChunks;
  readonly writer: ArchiveWriter;
  readonly window: ReplayWindow;
  /** What is read of a log for so long is stored. */
  readonly maxAgeMs: number;
  /** Puts on record what was found out; the record as it is then. */
  readonly tell: (news: ArchiveNews) => Promise<ArchiveRecord>;
  readonly signal: AbortSignal;
}

interface Position {
  readonly shard: number;
  readonly batch: number;
}

/** Whether a log has everything that engines had. */
export function covers(log: readonly Position[], engines: readonly Position[]): boolean {
  return engines.every(({ shard, batch }) => batch <= (log.find((each) => each.shard === shard)?.batch ?? 0));
}
