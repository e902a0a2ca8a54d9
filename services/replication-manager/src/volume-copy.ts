import type { LogSegment, VolumeCopyState, VolumeRecord } from '@salvor/config-store';
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
import type { Confirm } from './secondary.ts';
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
  const changed = await sinceFork(copy);
  const facts = { changed: changed?.count ?? null, incomparable: null };
  const chosen = decideCopyWay(record, facts);
  if (chosen.way !== 'compare') return replayed(copy, chosen, changed);
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

async function replayed(
  { record, source: from, log, mount, window, confirm, signal }: VolumeCopy,
  { way, reason }: ChosenWay,
  changed: WantedBlocks | null,
): Promise<Copied> {
  const target = mount.mounted.wholeBlocks();
  const beganAt = Date.now();
  const source = await wholeLog(log);
  try {
    if ((await source.newestNumber()) === 0)
      throw new SalvorError(
        'log-not-begun',
        `nobody has used vdisk ${from.vdisk} in zone ${from.zone} since it has a transaction log: what it holds is known once a client does`,
      );
    const point = await findPoint(from.vdisk, source, { kind: 'newest' });
    const bound = await confirm();
    if (bound === null || bound < point.sequence)
      throw new SalvorError(
        'source-changed',
        `zone ${from.zone} is not what volume ${record.volume} is copied from any more`,
      );
    const wanted = changed ?? everyBlock(target.blocks);
    const { vdisk } = from;
    const done = await replay(
      { vdisk, source, target, wanted, upTo: point.sequence, onlyDiffering: true, signal },
      window,
    );
    const { blocksWritten, blocksDeleted, bytesRead } = done;
    return {
      sequence: point.sequence,
      segment: await segmentAt(source, point.sequence),
      writtenAt: point.at,
      copy: {
        ...{ way, reason, generation: record.generation, behind: null, next: 0, blocks: wanted.count },
        ...{ sentBlocks: blocksWritten + blocksDeleted, sentBytes: bytesRead, hashBytes: 0 },
        ...{ beganAt, endedAt: Date.now() },
      },
    };
  } catch (error) {
    if (codeOf(error) !== 'gap' && codeOf(error) !== 'not-restorable') throw error;
    throw new SalvorError(
      codeOf(error),
      `the log of vdisk ${from.vdisk} in zone ${from.zone} does not reach back to a base (${messageOf(error)}): name its archive (tlogStore of that zone in SALVOR_ZONE_PEERS), or begin the log anew there ('salvor tlog disable', 'salvor tlog enable')`,
    );
  } finally {
    await source.close();
  }
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
async function sinceFork({ record, source: { lineage, zone, begins }, log, own }: VolumeCopy) {
  const fork = provenFork(record, { lineage, zone });
  if (fork === null) return null;
  await using mine = closing(await wholeLog(own));
  await using theirs = closing(await wholeLog(log));
  return await changedSinceFork([
    { source: mine.source, after: fork.sequence },
    { source: theirs.source, after: begins },
  ]);
}

function closing(source: LogSource): { readonly source: LogSource } & AsyncDisposable {
  return { source, [Symbol.asyncDispose]: () => source.close() };
}
