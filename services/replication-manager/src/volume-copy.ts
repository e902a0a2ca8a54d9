import type { LogStreamPort } from '@salvor/bus';
import type { VolumeRecord } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import {
  everyBlock,
  findPoint,
  JoinedSource,
  type LogSource,
  type ReplayWindow,
  replay,
  TailSource,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
  type WantedBlocks,
} from '@salvor/tlog';
import { changedSinceFork } from './changed-blocks.ts';
import type { Confirm, OwnLog } from './secondary.ts';
import type { SecondaryMount } from './secondary-mount.ts';

export interface VolumeCopy {
  readonly record: VolumeRecord;
  readonly source: VolumeDescription;
  /** Of the other zone. */
  readonly streams: LogStreamPort;
  /** Its archive; null: it is not reached from here. */
  readonly archive: Tier2Store | null;
  readonly own: OwnLog;
  readonly mount: SecondaryMount;
  readonly window: ReplayWindow;
  readonly confirm: Confirm;
  readonly signal: AbortSignal;
}

export interface Copied {
  /** Last record of the primary's log that it has. */
  readonly sequence: number;
  /** Newest segment of that log. */
  readonly number: number;
  readonly writtenAt: number;
}

/**
 * Brings the vdisk to the newest state in the log of the primary, newest block first, and writes only what differs. After a fork
 * only blocks are looked at that either side wrote since.
 *
 * @throws SalvorError `different-shape`, `source-changed`; LogError `gap`, `not-restorable`, …
 */
export async function copyVolume(copy: VolumeCopy): Promise<Copied> {
  const { record, source: from, mount, window, confirm, signal } = copy;
  const target = mount.mounted.wholeBlocks();
  const { sizeBytes, blockSizeBytes } = mount.mounted.geometry;
  if (from.sizeBytes !== sizeBytes || from.blockSize !== blockSizeBytes)
    throw new SalvorError(
      'different-shape',
      `vdisk ${from.vdisk} in zone ${from.zone} has ${from.sizeBytes} bytes in blocks of ${from.blockSize}, vdisk ${record.vdisk} here ${sizeBytes} in blocks of ${blockSizeBytes}: make it like the other one`,
    );
  const source = await sourceOf(copy);
  try {
    const number = await source.newestNumber();
    if (number === 0)
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
    const wanted = await wantedOf(copy, source, target.blocks);
    await replay(
      { vdisk: from.vdisk, source, target, wanted, upTo: point.sequence, onlyDiffering: true, signal },
      window,
    );
    return { sequence: point.sequence, number, writtenAt: point.at };
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

/** The log of the other zone: its archive where that is reached, and what is in JetStream. */
async function sourceOf({
  source: { container, vdisk, logBegins },
  streams,
  archive,
}: VolumeCopy): Promise<LogSource> {
  const tail = new TailSource({ streams, container, vdisk });
  if (archive === null) return tail;
  const chunks = new VdiskChunks(archive, container, vdisk);
  return new JoinedSource(
    await Tier2Source.open(chunks, { after: logBegins, noticed: () => undefined }),
    tail,
  );
}

/** Where both logs tell what was written since the fork, the rest is equal. */
async function wantedOf(
  { record, source: from, own }: VolumeCopy,
  source: LogSource,
  blocks: number,
): Promise<WantedBlocks> {
  const fork = record.phase === 'resyncing' ? (record.divergence?.fork ?? null) : null;
  const ended = from.lineage.at(-1);
  const isDirect =
    fork !== null &&
    ended?.number === fork.generation.number &&
    ended.zone === fork.generation.zone &&
    // This zone held that generation, so its own log has these very numbers.
    fork.generation.zone !== from.zone;
  if (!isDirect) return everyBlock(blocks);
  const mine = new TailSource({ streams: own.streams, container: own.container, vdisk: record.vdisk });
  try {
    return await changedSinceFork(
      [
        { source: mine, after: fork.sequence },
        { source, after: from.begins },
      ],
      blocks,
    );
  } finally {
    await mine.close();
  }
}
