import { type LogSegment, sameSegment, type VolumeCopyState, type VolumeRecord } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import {
  everyBlock,
  findPoint,
  type LogSource,
  type ReplayWindow,
  replay,
  type WantedBlocks,
} from '@salvor/tlog';
import { changedSinceFork } from './changed-blocks.ts';
import type { Ask } from './compared-blocks.ts';
import { type ChosenWay, decideCopyWay, provenFork } from './copy-way.ts';
import type { Confirm } from './read-ahead.ts';
import type { SecondaryMount } from './secondary-mount.ts';
import { compareVolume } from './volume-comparison.ts';
import { indexedSegmentOf, wholeLog, type ZoneLog } from './zone-log.ts';

export interface VolumeCopy {
  readonly record: VolumeRecord;
  readonly source: VolumeDescription;
  /** The log of the other zone. */
  readonly log: ZoneLog;
  readonly own: ZoneLog;
  readonly mount: SecondaryMount;
  readonly window: ReplayWindow;
  readonly confirm: Confirm;
  /** Asks the other zone for hashes and blocks. */
  readonly ask: Ask;
  /** Puts on record how far it is; null: it begins anew. */
  readonly copying: (copy: VolumeCopyState | null) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Copied {
  /** Last record of the primary's log that it has. */
  readonly sequence: number;
  /** The segment that ends with it. */
  readonly segment: LogSegment;
  readonly writtenAt: number;
  /** What it took. */
  readonly copy: VolumeCopyState;
}

/**
 * Brings the vdisk to what the primary has, and writes only what differs. After a fork only blocks are looked at that either
 * side wrote since; a state that was complete before is compared by hashes; the rest is brought over from the log.
 *
 * @throws SalvorError `different-shape`, `source-changed`; LogError `gap`, `not-restorable`, …
 */
export async function copyVolume(copy: VolumeCopy): Promise<Copied> {
  const { record, source: from, mount } = copy;
  const { sizeBytes, blockSizeBytes } = mount.mounted.geometry;
  if (from.sizeBytes !== sizeBytes || from.blockSize !== blockSizeBytes)
    throw new SalvorError(
      'different-shape',
      `vdisk ${from.vdisk} in zone ${from.zone} has ${from.sizeBytes} bytes in blocks of ${from.blockSize}, vdisk ${record.vdisk} here ${sizeBytes} in blocks of ${blockSizeBytes}: make it like the other one`,
    );
  const since = await sinceFork(copy);
  const facts = { changed: since?.wanted.count ?? null, incomparable: null };
  const chosen = decideCopyWay(record, facts);
  if (chosen.way !== 'compare') return replayed(copy, chosen, since);
  try {
    return await compareVolume(copy, chosen.reason);
  } catch (error) {
    if (!INCOMPARABLE.includes(codeOf(error))) throw error;
    const other = decideCopyWay(record, { ...facts, incomparable: messageOf(error) });
    return replayed(copy, other, null);
  }
}

/** Of a vdisk that cannot be read beside its owner, or of managers there that know no hashes. */
const INCOMPARABLE: readonly string[] = ['unsupported-type', 'no-responders', 'bad-answer'];

/** What is brought over: the state of the primary at a record of its log, of these blocks. */
interface ReplayAim {
  readonly end: Pick<Copied, 'sequence' | 'segment' | 'writtenAt'>;
  readonly wanted: WantedBlocks;
}

/** @param since null: all blocks are looked at */
async function replayed(
  copy: VolumeCopy,
  { way, reason }: ChosenWay,
  since: ReplayAim | null,
): Promise<Copied> {
  const { record, source: from, log, mount, window, signal } = copy;
  const target = mount.mounted.wholeBlocks();
  const beganAt = Date.now();
  return reaching(copy, await wholeLog(log), async (source) => {
    const { end, wanted } = since ?? {
      end: await endOf(copy, source),
      wanted: everyBlock(target.blocks),
    };
    const { vdisk } = from;
    const done = await replay(
      { vdisk, source, target, wanted, upTo: end.sequence, onlyDiffering: true, signal },
      window,
    );
    // It may have lost its end meanwhile, and been written on under the same numbers.
    if (!sameSegment(await segmentAt(source, end.sequence), end.segment)) throw changedMeanwhile(copy);
    const { blocksWritten, blocksDeleted, bytesRead } = done;
    return {
      ...end,
      copy: {
        ...{ way, reason, generation: record.generation, behind: null, next: 0, blocks: wanted.count },
        ...{ sentBlocks: blocksWritten + blocksDeleted, sentBytes: bytesRead, hashBytes: 0 },
        ...{ beganAt, endedAt: Date.now() },
      },
    };
  });
}

/**
 * Where the log of the primary ends, and that it is still its primary's. Which blocks were changed up to there is looked for
 * behind this: the primary goes on writing.
 */
async function endOf(copy: VolumeCopy, source: LogSource): Promise<ReplayAim['end']> {
  const { vdisk, zone } = copy.source;
  if ((await source.newestNumber()) === 0)
    throw new SalvorError(
      'log-not-begun',
      `nobody has used vdisk ${vdisk} in zone ${zone} since it has a transaction log: what it holds is known once a client does`,
    );
  const { sequence, at: writtenAt } = await findPoint(vdisk, source, { kind: 'newest' });
  const segment = await segmentAt(source, sequence);
  const bound = await copy.confirm();
  if (bound === null || bound < sequence) throw changedMeanwhile(copy);
  return { sequence, segment, writtenAt };
}

/** Does something with a log, closes it, and says what to do about one that does not reach back. */
async function reaching<T>(
  { source: { vdisk, zone } }: VolumeCopy,
  source: LogSource,
  work: (source: LogSource) => Promise<T>,
): Promise<T> {
  try {
    return await work(source);
  } catch (error) {
    if (codeOf(error) !== 'gap' && codeOf(error) !== 'not-restorable') throw error;
    throw new SalvorError(
      codeOf(error),
      `the log of vdisk ${vdisk} in zone ${zone} does not reach back to a base (${messageOf(error)}): name its archive (tlogStore of that zone in SALVOR_ZONE_PEERS), or begin the log anew there ('salvor tlog disable', 'salvor tlog enable')`,
    );
  } finally {
    await source.close();
  }
}

function changedMeanwhile({ source: { zone }, record: { volume } }: VolumeCopy): SalvorError {
  return new SalvorError(
    'source-changed',
    `zone ${zone} is not what volume ${volume} is copied from any more`,
  );
}

/** The first segment that ends with a record and says which base it builds on: a base that was begun since lies behind it. */
async function segmentAt(source: LogSource, sequence: number): Promise<LogSegment> {
  let found: LogSegment | null = null;
  for await (const segment of source.newestFirst(sequence + 1)) {
    if (segment.last < sequence) break;
    if (segment.last === sequence && segment.base > 0) found = indexedSegmentOf(segment);
  }
  if (found !== null) return found;
  throw new SalvorError(
    'source-changed',
    `the log that was copied has no segment that ends with record ${sequence} any more`,
  );
}

/** Where both logs tell what was written since the fork, the rest is equal; null: they do not. */
async function sinceFork(copy: VolumeCopy): Promise<ReplayAim | null> {
  const { record, source, log, own } = copy;
  const { lineage, zone, begins } = source;
  const fork = provenFork(record, { lineage, zone });
  if (fork === null) return null;
  return reaching(copy, await wholeLog(log), async (theirs) => {
    const end = await endOf(copy, theirs);
    const mine = await wholeLog(own);
    try {
      const wanted = await changedSinceFork([
        { source: mine, after: fork.sequence },
        { source: theirs, after: begins },
      ]);
      return wanted === null ? null : { end, wanted };
    } finally {
      await mine.close();
    }
  });
}
