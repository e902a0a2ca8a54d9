import { LogError } from '../log-error.ts';
import type { LogSource } from '../log-source.ts';
import { BlockBitmap } from '../replay/block-bitmap.ts';
import { type LogGap, ReplayWalk } from '../replay/replay-walk.ts';
import type { ReplayWindow } from '../replay/replay-window.ts';
import { everyBlock } from '../replay/wanted-blocks.ts';
import type { ExportWriter } from './export-writer.ts';

export interface ExportLogOptions {
  readonly vdisk: string;
  readonly source: LogSource;
  /** Of the vdisk. */
  readonly blocks: number;
  /** State after this sequence; see findPoint. */
  readonly upTo: number;
  readonly writer: ExportWriter;
  readonly signal: AbortSignal;
  /** Told how many blocks are known by now, zeros among them. */
  readonly progress: (known: number) => Promise<void>;
}

/**
 * Writes the newest content of every block that the log has up to a sequence, segment by segment from the newest one on.
 *
 * @throws LogError `gap`, `not-restorable`, `bad-segment`, `bad-chunk`, `store`
 */
export async function exportLog(options: ExportLogOptions, window: ReplayWindow): Promise<void> {
  const { blocks, signal } = options;
  const seat = await window.join(2 * BlockBitmap.bytesFor(blocks), signal);
  try {
    await writeAll(options);
  } finally {
    seat.leave();
  }
}

async function writeAll({
  vdisk,
  source,
  blocks,
  upTo,
  writer,
  signal,
  progress,
}: ExportLogOptions): Promise<void> {
  const walk = new ReplayWalk({ vdisk, wanted: everyBlock(blocks), upTo });
  for await (const segment of source.newestFirst(upTo + 1)) {
    signal.throwIfAborted();
    const { records, gap, isLast } = walk.take(segment);
    if (gap !== null) throw gapError(vdisk, gap);
    const stored = records.filter(({ length }) => length > 0);
    if (stored.length > 0) {
      const content = await source.read(segment, stored);
      await writer.add(stored.map(({ block }, i) => ({ block, data: content[i] ?? null })));
    }
    await progress(walk.restored.count);
    if (isLast) return;
  }
  const gap = walk.end();
  if (gap !== null) throw gapError(vdisk, gap);
}

function gapError(vdisk: string, { fromSequence, toSequence }: LogGap): LogError {
  return new LogError(
    'gap',
    `vdisk ${vdisk}: its log lacks sequences ${fromSequence} to ${toSequence}: what it held cannot be told. Bring that part of the log back`,
  );
}
