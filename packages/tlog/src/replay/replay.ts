import { LogError } from '../log-error.ts';
import { BlockBitmap } from './block-bitmap.ts';
import { ReplayJob, type ReplayOptions } from './replay-job.ts';
import { type DamagedRecord, type ReplayCounts, replayBegins } from './replay-state.ts';
import type { LogGap, ReplayWalk } from './replay-walk.ts';
import type { ReplayWindow } from './replay-window.ts';
import { indexPass, type PassEnd, restorePass } from './restore-pass.ts';
import type { BlockRun } from './restore-target.ts';
import { verifyPass } from './verify-pass.ts';
import { LOOK_BLOCKS, zerosPass } from './zeros-pass.ts';

/** Runs of unproven blocks that are listed. */
const UNPROVEN_RUNS_MAX = 1_000;

export interface UnprovenBlocks {
  readonly count: number;
  /** Where they are, ascending; the first ones when there are very many. */
  readonly runs: readonly BlockRun[];
}

export interface ReplayResult extends ReplayCounts {
  readonly upTo: number;
  readonly base: number;
  readonly blocksWanted: number;
  /** Only of a replay that accepted losses, as what follows. */
  readonly gaps: readonly LogGap[];
  readonly damaged: readonly DamagedRecord[];
  /** Blocks that may have had a newer content in what is missing. */
  readonly unproven: UnprovenBlocks;
}

/** Records are missing; what is newer than the gap was restored. */
export class LogGapError extends LogError {
  readonly gap: LogGap;
  readonly restored: number;
  readonly unproven: UnprovenBlocks;

  constructor(vdisk: string, gap: LogGap, walk: ReplayWalk, unproven: UnprovenBlocks) {
    const { fromNumber, toNumber, fromSequence, toSequence } = gap;
    const segments =
      toNumber < fromNumber
        ? ''
        : ` (segment${fromNumber === toNumber ? ` ${fromNumber}` : `s ${fromNumber} to ${toNumber}`})`;
    super(
      'gap',
      `vdisk ${vdisk}: its log lacks sequences ${fromSequence} to ${toSequence}${segments}. The ${walk.restored.count} blocks that newer records name are restored; what the ${unproven.count} others held last is not provable. Bring the missing part of the log back, or accept the loss`,
    );
    this.gap = gap;
    this.restored = walk.restored.count;
    this.unproven = unproven;
  }
}

/**
 * Brings the wanted blocks to the state after a sequence: every block is written once at most, the newest first, and read
 * back and compared at the end. The same replay may be run any number of times.
 *
 * @throws LogGapError `gap` unless losses are accepted; LogError `not-restorable`, `differs`, `bad-segment`, `bad-chunk`, `store`
 */
export async function replay(options: ReplayOptions, window: ReplayWindow): Promise<ReplayResult> {
  const { target, upTo, signal } = options;
  const from = options.from ?? replayBegins(upTo);
  if (from.upTo !== upTo)
    throw new RangeError(`expected a checkpoint of a replay up to ${upTo}, found one up to ${from.upTo}`);
  const bitmaps = options.acceptLoss === true ? 3 : 2;
  const seat = await window.join(bitmaps * BlockBitmap.bytesFor(target.blocks), signal);
  try {
    const job = new ReplayJob(options, seat, from);
    return await run(job);
  } finally {
    seat.leave();
  }
}

async function run(job: ReplayJob): Promise<ReplayResult> {
  const { options } = job;
  let walk: ReplayWalk | null = null;
  while (job.phase === 'restore') {
    walk = await whole(job, restorePass);
    const isRead = !job.damaged.some(({ pass }) => pass === job.pass);
    if (isRead) await job.begin('zeros');
    else await job.begin('restore', job.pass + 1);
  }
  if (job.phase === 'zeros') {
    walk ??= await whole(job, indexPass);
    await zerosPass(job, walk.content);
    await job.begin('verify');
  }
  walk = await whole(job, job.phase === 'done' ? indexPass : verifyPass);
  if (job.phase !== 'done') await job.begin('done');
  return {
    ...job.counts,
    ...{ upTo: options.upTo, base: walk.base ?? 0, blocksWanted: options.wanted.count },
    ...{ gaps: walk.gaps, damaged: job.damaged },
    unproven: await unprovenBlocks(job, walk),
  };
}

/** A pass from its mark on, or from the beginning when the log is another one now. */
async function whole(job: ReplayJob, pass: (job: ReplayJob) => Promise<PassEnd>): Promise<ReplayWalk> {
  let end = await pass(job);
  if (end === 'restart') {
    job.startOver();
    end = await pass(job);
  }
  if (end === 'restart') throw new Error('a pass that began anew cannot have to begin anew');
  const { gap, walk } = end;
  if (gap === null) return walk;
  await job.store();
  throw new LogGapError(job.options.vdisk, gap, walk, await unprovenBlocks(job, walk));
}

async function unprovenBlocks(
  { options: { target, wanted }, damaged }: ReplayJob,
  walk: ReplayWalk,
): Promise<UnprovenBlocks> {
  const unread = new Set(damaged.map(({ block }) => block));
  const runs: { first: number; count: number }[] = [];
  if (walk.unprovenCount === 0 && unread.size === 0) return { count: 0, runs };
  let count = 0;
  for (let block = 0; block < target.blocks; block++) {
    if (block % LOOK_BLOCKS === LOOK_BLOCKS - 1) await new Promise<void>((resolve) => setImmediate(resolve));
    if (!wanted.has(block) || (walk.isProven(block) && !unread.has(block))) continue;
    count++;
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === block) last.count++;
    else if (runs.length < UNPROVEN_RUNS_MAX) runs.push({ first: block, count: 1 });
  }
  return { count, runs };
}
