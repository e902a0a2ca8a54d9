import { type LogSegment, sameGeneration, sameSegment, type VolumeCopyState } from '@salvor/config-store';
import type { TlogPosition, VolumeCompareReply } from '@salvor/contracts';
import { pause, SalvorError } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';
import { applySegments } from './applying.ts';
import { type Ask, compareBlocks } from './compared-blocks.ts';
import { decideLevelLog } from './decide-level-log.ts';
import { endedBy } from './ended-by.ts';
import { exactFrom, LostPlaceError, SourceLog } from './source-log.ts';
import type { Copied, VolumeCopy } from './volume-copy.ts';
import { logSegmentOf } from './zone-log.ts';

/** How far it is is put on record this often. */
const RECORD_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 20;
/** The other zone is asked whether more comes of a log that is level for this long, although its engines are beyond it. */
const LEVEL_MAX_MS = 5_000;

type Compared = VolumeCopyState & { readonly behind: NonNullable<VolumeCopyState['behind']> };

/**
 * Brings the vdisk to what the primary has by comparing hashes of all blocks. Blocks are compared while the primary writes;
 * what it wrote since this began, by its log, is applied behind it. Goes on where an earlier run ended.
 *
 * @throws SalvorError `log-not-begun`, `log-broken`, `source-changed`, `hash-differs`, …; LostPlaceError; CommandError
 */
export async function compareVolume(copy: VolumeCopy, reason: string): Promise<Copied> {
  const { record, mount, window, signal } = copy;
  const target = mount.mounted.wholeBlocks();
  let state = resumed(copy) ?? (await begun(copy, reason, target.blocks));
  const { behind } = state;
  const before = state;
  let storedAt = performance.now();
  try {
    const ask = asked(copy, behind);
    const seat = await window.join(0, signal);
    try {
      await compareBlocks({
        ...{ target, ask, from: state.next, signal },
        pace: async (bytes) => {
          await seat.take(bytes, signal);
          seat.give(bytes);
        },
        report: async (next, { sentBlocks, sentBytes, hashBytes }) => {
          state = {
            ...{ ...state, next, sentBlocks: before.sentBlocks + sentBlocks },
            ...{ sentBytes: before.sentBytes + sentBytes, hashBytes: before.hashBytes + hashBytes },
          };
          if (performance.now() - storedAt < RECORD_EVERY_MS) return;
          storedAt = performance.now();
          // What is on record is in this zone's own log and on its engines.
          await mount.mounted.device.flush();
          await copy.copying(state);
        },
      });
    } finally {
      seat.leave();
    }
    const { positions } = await ask({ count: 0 });
    const end = await applyBehind(copy, behind, positions, ask);
    return { ...end, copy: { ...state, endedAt: Date.now() } };
  } catch (error) {
    const isVoid = error instanceof LostPlaceError || error instanceof ImageChangedError;
    if (isVoid && record.copy !== null) await copy.copying(null);
    throw error;
  }
}

class ImageChangedError extends SalvorError {
  constructor(zone: string) {
    super(
      'source-changed',
      `engines in zone ${zone} were restarted, or their status changed, while blocks were compared: they are compared anew`,
    );
  }
}

function resumed({ record }: VolumeCopy): Compared | null {
  const { copy, generation } = record;
  if (copy?.way !== 'compare' || copy.endedAt !== null || copy.behind === null) return null;
  return sameGeneration(copy.generation, generation) ? { ...copy, behind: copy.behind } : null;
}

async function begun(copy: VolumeCopy, reason: string, blocks: number): Promise<Compared> {
  const { record, source, log, confirm } = copy;
  const { container, vdisk, streams } = log;
  const newest = await streams.last(logStream(container), logSubject(container, vdisk));
  if (newest === null)
    throw new SalvorError(
      'log-not-begun',
      `nobody has used vdisk ${vdisk} in zone ${source.zone} since it has a transaction log: what it writes can be followed once a client does`,
    );
  const segment = decodeSegment(newest.data);
  const sequence = lastSequence(segment);
  if (segment.base < 1)
    throw new SalvorError(
      'log-broken',
      `the log of vdisk ${vdisk} in zone ${source.zone} is not whole: it is written anew there, and then compared with`,
    );
  const bound = await confirm();
  if (bound === null || bound < sequence)
    throw new SalvorError(
      'source-changed',
      `zone ${source.zone} is not what volume ${record.volume} is copied from any more`,
    );
  const positions = segment.positions.map(({ shard, batch }) => ({ shard, batch }));
  const { image } = await copy.ask({ count: 0, positions });
  const state = {
    ...{ way: 'compare' as const, reason, generation: record.generation, next: 0, blocks },
    behind: { sequence, segment: logSegmentOf(segment), positions, image },
    ...{ sentBlocks: 0, sentBytes: 0, hashBytes: 0, beganAt: Date.now(), endedAt: null },
  };
  await copy.copying(state);
  return state;
}

function asked({ ask, source }: VolumeCopy, { image, positions }: Compared['behind']): Ask {
  return async (question): Promise<VolumeCompareReply> => {
    const reply = await ask({ positions, ...question });
    if (reply.image !== image) throw new ImageChangedError(source.zone);
    return reply;
  };
}

/** What the primary wrote since, at least up to what was on its engines after the last block was read. */
async function applyBehind(
  { log, mount, confirm, signal, record, source }: VolumeCopy,
  behind: Compared['behind'],
  reached: readonly TlogPosition[],
  ask: Ask,
): Promise<Omit<Copied, 'copy'>> {
  const reader = new SourceLog(log, behind.segment);
  let { sequence, segment }: { sequence: number; segment: Copied['segment'] } = behind;
  let writtenAt = segment.at;
  let positions: readonly TlogPosition[] = behind.positions;
  let levelSince: number | null = null;
  /** Of what was compacted meanwhile no state before this one is complete. */
  let exact = 0;
  try {
    for (;;) {
      const { segments, isLevel } = await endedBy(signal, reader.next());
      const last = segments.at(-1);
      if (last !== undefined) {
        const bound = await endedBy(signal, confirm());
        if (bound === null || bound < lastSequence(last.segment))
          throw new SalvorError(
            'source-changed',
            `zone ${source.zone} is not what volume ${record.volume} is copied from any more`,
          );
        const applied = await applySegments(mount.mounted.wholeBlocks(), segments, sequence);
        ({ sequence } = applied);
        if (applied.writtenAt > 0) ({ writtenAt } = applied);
        segment = logSegmentOf(last.segment);
        exact = Math.max(exact, exactFrom(segments));
        positions =
          segments.findLast((each) => each.segment.positions.length > 0)?.segment.positions ?? positions;
      }
      // What came from the archive does not tell of engines; the newest segment is in the stream.
      if (isLevel && last === undefined && levelSince === null)
        positions = (await positionsAt(log, segment)) ?? positions;
      if (sequence >= exact && covers(positions, reached)) return { sequence, segment, writtenAt };
      if (!isLevel || last !== undefined) levelSince = null;
      else levelSince ??= performance.now();
      if (levelSince !== null && performance.now() - levelSince > LEVEL_MAX_MS) {
        const next = decideLevelLog(await ask({ count: 0 }));
        if (next === 'complete') return { sequence, segment, writtenAt };
        if (next === 'broken')
          throw new SalvorError(
            'log-broken',
            `the log of vdisk ${log.vdisk} in zone ${source.zone} does not have all that was written: it is compared with once a server there has begun the log anew`,
          );
        levelSince = null;
      }
      if (isLevel) await pause(LOOK_EVERY_MS, signal);
    }
  } finally {
    await reader.close();
  }
}

/** What engines have at a segment that is the newest of its log; null: it is not, or does not tell. */
export async function positionsAt(
  { streams, container, vdisk }: VolumeCopy['log'],
  segment: LogSegment,
): Promise<readonly TlogPosition[] | null> {
  const newest = await streams.last(logStream(container), logSubject(container, vdisk));
  const found = newest === null ? null : decodeSegment(newest.data);
  if (found === null || found.positions.length === 0) return null;
  return sameSegment(logSegmentOf(found), segment) ? found.positions : null;
}

function covers(log: readonly TlogPosition[], engines: readonly TlogPosition[]): boolean {
  return engines.every(({ shard, batch }) => batch <= (log.find((each) => each.shard === shard)?.batch ?? 0));
}
