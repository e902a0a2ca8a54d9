import { LogError } from '../log-error.ts';
import type { RecordIndex, SegmentIndex } from '../log-source.ts';
import type { ReadMemory } from '../store/read-memory.ts';
import type { ReplayJob } from './replay-job.ts';
import { type LogGap, ReplayWalk } from './replay-walk.ts';
import type { BlockContent } from './restore-target.ts';
import { StepPipeline } from './step-pipeline.ts';

/** Records that cannot be read, of one vdisk: more are a log that is lost, and not one with damage. */
const DAMAGED_MAX = 10_000;

/** Records of one segment. */
export interface StepPart {
  readonly segment: SegmentIndex;
  readonly records: readonly RecordIndex[];
}

/** The walk when it ended, and the gap at which it had to end. `restart`: the log is not the one that the checkpoint is of. */
export type PassEnd = { readonly walk: ReplayWalk; readonly gap: LogGap | null } | 'restart';

/**
 * Walks the log once, from the newest record on, and gives what counts to `apply` in steps: none for what was dealt with
 * before the mark of the job.
 */
export async function walkLog(
  job: ReplayJob,
  apply: (parts: readonly StepPart[]) => Promise<void>,
): Promise<PassEnd> {
  const { vdisk, source, target, wanted, upTo, signal, acceptLoss } = job.options;
  const walk = new ReplayWalk({ vdisk, wanted, upTo, unreadable: unreadableIn(job) });
  const pipeline = new StepPipeline(job.seat, signal, (mark) => job.reached(mark));
  const { below, restored, digest } = job.mark;
  let isNew = below > upTo;
  let parts: StepPart[] = [];
  let blocks = 0;
  const send = async (): Promise<void> => {
    const step = parts;
    const bytes = blocks * target.blockSize;
    parts = [];
    blocks = 0;
    const mark = { below: walk.reached, restored: walk.restored.count, digest: walk.restored.digest };
    await pipeline.add(bytes, mark, () => apply(step));
    await job.report(walk);
  };
  let gap: LogGap | null = null;
  try {
    let isOver = false;
    for await (const segment of source.newestFirst(upTo + 1)) {
      signal.throwIfAborted();
      const step = walk.take(segment);
      if (step.gap !== null && acceptLoss !== true) {
        gap = step.gap;
        break;
      }
      if (!isNew && walk.reached <= below) {
        if (walk.reached < below || walk.restored.count !== restored || walk.restored.digest !== digest)
          return 'restart';
        isNew = true;
      } else if (isNew && step.records.length > 0) {
        parts.push({ segment, records: step.records });
        blocks += step.records.length;
        if (blocks >= target.stepBlocks) await send();
      }
      isOver = step.isLast;
      if (isOver) break;
    }
    if (!isOver && gap === null) {
      const missing = walk.end();
      if (acceptLoss !== true) gap = missing;
    }
    // What the checkpoint speaks of is not in this log.
    if (!isNew) return 'restart';
    await send();
    await pipeline.drain();
  } finally {
    await pipeline.settle();
  }
  return { walk, gap };
}

/** Walks the index alone. */
export function indexPass(job: ReplayJob): Promise<PassEnd> {
  return walkLog(job, async () => {});
}

/** Writes the newest content of every wanted block that has some. */
export function restorePass(job: ReplayJob): Promise<PassEnd> {
  const { target, onlyDiffering } = job.options;
  // Of a pass after the first one only the blocks are left whose content could not be read.
  const again = job.pass === 1 ? null : new Set(job.damaged.map(({ block }) => block));
  return walkLog(job, async (parts) => {
    const wanted = parts.map(({ segment, records }) => ({
      segment,
      records: records.filter(({ block, length }) => length > 0 && again?.has(block) !== false),
    }));
    const memory = job.seat.memory();
    const read = await Promise.all(wanted.map((part) => readPart(job, part, memory)));
    let changes = read.flat();
    if (onlyDiffering === true) changes = await differing(job, changes);
    for (let at = 0; at < changes.length; at += target.stepBlocks) {
      const some = changes.slice(at, at + target.stepBlocks);
      await target.write(some);
      job.count({ blocksWritten: some.length, bytesWritten: some.length * target.blockSize });
    }
    // Not where something failed: another read may still be under way.
    memory.release();
  });
}

async function readPart(
  job: ReplayJob,
  { segment, records }: StepPart,
  memory: ReadMemory,
): Promise<BlockContent[]> {
  const { source, target } = job.options;
  if (records.length === 0) return [];
  const content = await readRecords(job, { segment, records }, memory);
  let bytes = 0;
  const changes: BlockContent[] = [];
  for (const [i, { block, length, sequence }] of records.entries()) {
    const data = content === null ? await readOne(job, segment, records[i]) : content[i];
    if (data === null) continue;
    if (data?.length !== length)
      throw new LogError(
        'bad-segment',
        `record ${sequence} was read as something else by ${source.constructor.name}`,
      );
    bytes += length;
    changes.push({ block, data: whole(data, target.blockSize) });
  }
  job.count({ bytesRead: bytes });
  return changes;
}

/** Null when not all of them can be read. */
async function readRecords(
  job: ReplayJob,
  { segment, records }: StepPart,
  memory: ReadMemory,
): Promise<Buffer[] | null> {
  try {
    return await job.options.source.read(segment, records, memory);
  } catch (error) {
    if (job.options.acceptLoss === true && isDamage(error)) return null;
    throw error;
  }
}

async function readOne(
  job: ReplayJob,
  segment: SegmentIndex,
  record: RecordIndex | undefined,
): Promise<Buffer | null> {
  if (record === undefined) return null;
  try {
    return (await job.options.source.read(segment, [record]))[0] ?? null;
  } catch (error) {
    if (!isDamage(error)) throw error;
    const { vdisk } = job.options;
    if (job.damaged.length >= DAMAGED_MAX)
      throw new LogError(
        'bad-segment',
        `vdisk ${vdisk}: more than ${DAMAGED_MAX} records of its log cannot be read; the last one: ${error.message}`,
      );
    job.damaged.push({ sequence: record.sequence, block: record.block, pass: job.pass });
    return null;
  }
}

/** What tells that bytes are not what was written, and not that a store cannot be reached. */
function isDamage(error: unknown): error is LogError {
  return error instanceof LogError && (error.code === 'bad-segment' || error.code === 'bad-chunk');
}

/** What a walk of this pass does not count. */
function unreadableIn({ damaged, pass, phase }: ReplayJob): Set<number> {
  const known = phase === 'restore' ? damaged.filter((record) => record.pass < pass) : damaged;
  return new Set(known.map(({ sequence }) => sequence));
}

async function differing(job: ReplayJob, changes: readonly BlockContent[]): Promise<BlockContent[]> {
  const { target } = job.options;
  const kept: BlockContent[] = [];
  for (let at = 0; at < changes.length; at += target.stepBlocks) {
    const some = changes.slice(at, at + target.stepBlocks);
    const held = await target.read(some.map(({ block }) => block));
    for (const [i, change] of some.entries()) if (!isSame(change.data, held[i] ?? null)) kept.push(change);
  }
  job.count({ blocksEqual: changes.length - kept.length });
  return kept;
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  if (a !== null && b !== null) return a.equals(b);
  const content = a ?? b;
  return content === null || content.every((byte) => byte === 0);
}

/** A record may be shorter than a block: zeros follow. */
function whole(data: Buffer, blockSize: number): Buffer {
  if (data.length === blockSize) return data;
  const block = Buffer.alloc(blockSize);
  data.copy(block);
  return block;
}
