import type { ArchiveBackup, ArchiveRecord } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import {
  ArchivedImage,
  type ComparedAs,
  decodeSegment,
  logStream,
  logSubject,
  Tier2Source,
} from '@salvor/tlog';
import { type Ask, type ComparedTarget, compareBlocks } from '../compared-blocks.ts';
import { endedBy } from '../ended-by.ts';
import { logSegmentOf } from '../zone-log.ts';
import type { SourceVolume } from './archive-source.ts';
import { type ArchiveWork, covers } from './archive-work.ts';
import { secondaryReason } from './source-standing.ts';

/** How far it is is put on record this often; what it has by then is stored. */
const RECORD_EVERY_MS = 2_000;
const STEP_BLOCKS = 512;

type Behind = NonNullable<ArchiveBackup['behind']>;

/** Engines were restarted, or are others now: what was compared is no state of them. */
class ImageChangedError extends SalvorError {
  constructor(zone: string) {
    super('source-changed', `engines in zone ${zone} were restarted, or their status changed`);
  }
}

/**
 * Compares what the archive holds with what the primary's engines have, by hashes, while the primary is written; what differs
 * is taken. Goes on where an earlier run ended. Behind it the log is followed, from where it was when this began.
 *
 * @throws SalvorError `log-not-begun`, `log-broken`, `source-stale`, `wrong-role`, …; BusError; LogError `store`
 */
export async function backUp(work: ArchiveWork, record: ArchiveRecord, source: SourceVolume): Promise<void> {
  const { writer, tell, signal } = work;
  const { backup } = record.backup?.behind == null ? await begin(work, record, source) : record;
  if (backup?.behind == null) return;
  const { behind } = backup;
  const blockSize = source.description.blockSize;
  const { number, epoch, at } = behind.segment;
  const as: ComparedAs = { epoch, at, blockSize, base: backup.base ?? record.base };
  try {
    const ask = asked(source, behind);
    await compare(work, record, { ...backup, behind }, ask, as);
    const { positions } = await endedBy(signal, ask({ count: 0 }));
    // A full backup of nothing but zeros has no segment yet.
    const isClean = covers(behind.positions, positions);
    if (isClean) writer.addMark(as);
    await writer.flush();
    const place = { segment: behind.segment, ...writer.stored };
    const until = positions.map(({ shard, batch }) => ({ shard, batch }));
    await tell({ kind: 'compare-ended', until, place });
    if (isClean) await tell({ kind: 'clean', place });
  } catch (error) {
    if (!(error instanceof ImageChangedError)) throw error;
    await writer.flush();
    await tell({ kind: 'compare-void', reason: `${error.message}, behind segment ${number}` });
  }
}

async function begin(
  { writer, tell, signal }: ArchiveWork,
  record: ArchiveRecord,
  { log, ask, description }: SourceVolume,
): Promise<ArchiveRecord> {
  const { zone, vdisk, sizeBytes, blockSize } = description;
  if (description.role !== 'primary') throw new SalvorError('wrong-role', secondaryReason(description));
  if (record.base > 0 && record.blockSize > 0 && blockSize !== record.blockSize)
    throw new SalvorError(
      'different-shape',
      `vdisk ${vdisk} in zone ${zone} has blocks of ${blockSize} bytes, the archive of ${record.blockSize}: keep it under another name`,
    );
  const newest = await log.streams.last(logStream(log.container), logSubject(log.container, log.vdisk));
  if (newest === null)
    throw new SalvorError(
      'log-not-begun',
      `nobody has used vdisk ${vdisk} in zone ${zone} since it has a transaction log: it can be followed once a client does`,
    );
  const segment = decodeSegment(newest.data);
  if (segment.base < 1)
    throw new SalvorError(
      'log-broken',
      `the log of vdisk ${vdisk} in zone ${zone} is not whole: it is written anew there, and then compared with`,
    );
  const positions = segment.positions.map(({ shard, batch }) => ({ shard, batch }));
  const { image } = await endedBy(signal, ask({ count: 0, positions }));
  await writer.flush();
  return tell({
    ...{ kind: 'compare-begun', sizeBytes, blockSize, blocks: Math.ceil(sizeBytes / blockSize) },
    behind: { segment: logSegmentOf(segment), positions, image },
    first: writer.end.sequence + 1,
  });
}

function asked({ ask, description }: SourceVolume, { image, positions }: Behind): Ask {
  return async (question) => {
    const reply = await ask({ positions, ...question });
    if (reply.image !== image) throw new ImageChangedError(description.zone);
    return reply;
  };
}

async function compare(
  { chunks, writer, window, tell, signal }: ArchiveWork,
  { volume }: ArchiveRecord,
  backup: ArchiveBackup & { readonly behind: Behind },
  ask: Ask,
  as: ComparedAs,
): Promise<void> {
  const { base, blocks, next, sentBlocks, sentBytes, hashBytes } = backup;
  const source = await Tier2Source.open(chunks);
  const seat = await window.join(0, signal);
  try {
    // Of a full backup only what it has taken itself counts.
    const isNothing = source.range === null || (base !== null && writer.stored.sequence < base);
    const image = isNothing ? null : new ArchivedImage(source, as.blockSize, as.base);
    const target: ComparedTarget = {
      ...{ blocks, blockSize: as.blockSize, stepBlocks: STEP_BLOCKS },
      read: async (wanted) => (image === null ? wanted.map(() => null) : image.read(wanted)),
      write: async (changes) => {
        writer.addCompared(changes, as);
        if (writer.isDue) await writer.flush();
      },
    };
    let storedAt = performance.now();
    await compareBlocks({
      ...{ target, ask: (question) => endedBy(signal, ask(question)), from: next, signal },
      pace: async (bytes) => {
        await seat.take(bytes, signal);
        seat.give(bytes);
      },
      report: async (done, counts) => {
        const isEnd = done >= blocks;
        if (!isEnd && performance.now() - storedAt < RECORD_EVERY_MS) return;
        await writer.flush();
        storedAt = performance.now();
        await tell({
          ...{ kind: 'compared', next: done, sentBlocks: sentBlocks + counts.sentBlocks },
          ...{ sentBytes: sentBytes + counts.sentBytes, hashBytes: hashBytes + counts.hashBytes },
        });
      },
    });
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'bad-chunk')
      throw new SalvorError(
        'archive-damaged',
        `what the archive holds of volume ${volume} cannot be read: ${error.message}. Verify it; a full backup makes it whole`,
      );
    throw error;
  } finally {
    seat.leave();
    await source.close();
  }
}
