import { bitsIn, MAP_CHUNK_BYTES } from '../dirty-map.ts';
import { dirtyKey } from '../engine-keys.ts';
import type { EngineSession } from '../engine-session.ts';
import { SCAN_START } from '../layout/block-layout.ts';
import type { Pair } from '../pair.ts';
import { Frame } from '../resp.ts';
import { addReadRing, parseRing } from '../write-history.ts';
import type { LogCatchUp } from './log-decisions.ts';
import type { WriteLog } from './write-log.ts';

/** Blocks and bytes that are read, and held from clients, in one step. */
const STEP_MAX_BLOCKS = 128;
const STEP_MAX_BYTES = 512 * 1024;
const RING_CHUNK = 1024;
const SCAN_PAGE = 512;

/** A shard whose blocks are appended. */
export interface LoggedShard {
  readonly pair: Pair;
  readonly log: WriteLog;
  /** False of a block that has gone to another pair, which answers for it: what is left of it here may be old. */
  readonly isHere: (block: number) => boolean;
}

/** A ring entry is missing: the ring does not tell what a batch touched. */
export class RingGapError extends Error {}

/** Appends the present content of every block that the engines have beyond the log. Rejects as reads do, or with RingGapError. */
export async function appendMissing(
  shard: LoggedShard,
  missing: LogCatchUp & { kind: 'blocks' },
): Promise<number> {
  const { pair } = shard;
  const session = await pair.readFrom().open();
  const blocks = new Set<number>();
  const { ring } = missing;
  for (let after = ring?.after ?? 0; ring !== null && after < ring.upTo; after += RING_CHUNK) {
    const upTo = Math.min(after + RING_CHUNK, ring.upTo);
    const [reply] = await session.request(addReadRing(new Frame(), pair.context.vdisk, after, upTo));
    const named = parseRing(reply, after, upTo);
    if (named === null)
      throw new RingGapError(`a ring entry between batches ${after} and ${upTo} is missing`);
    for (const block of named) blocks.add(block);
  }
  await append(shard, [...blocks], 'writes');
  if (!missing.dirtyMap) return blocks.size;
  let count = blocks.size;
  const bytes = Math.ceil(pair.context.bits / 8);
  for (let at = 0; at < bytes; at += MAP_CHUNK_BYTES) {
    const range = new Frame().command('GETRANGE', dirtyKey(pair.context.vdisk), at, at + MAP_CHUNK_BYTES - 1);
    const [chunk] = await session.request(range);
    const bits = Buffer.isBuffer(chunk) ? [...bitsIn(chunk, at)] : [];
    const marked = bits.flatMap((bit) => pair.context.blocksOfBit(bit));
    await append(shard, marked, 'writes');
    count += marked.length;
  }
  return count;
}

/** Appends every block that is stored on the shard. Rejects as reads do: then all of it is to be done again. */
export async function appendStored(shard: LoggedShard, assertWanted: () => void): Promise<number> {
  const { pair } = shard;
  const source = await pair.readFrom().open();
  const { layout, bits } = pair.context;
  let cursor = SCAN_START;
  let count = 0;
  do {
    assertWanted();
    const page = await layout.scanStored(ask(source), cursor, SCAN_PAGE, bits);
    cursor = page.cursor;
    await append(shard, page.blocks, 'base');
    count += page.blocks.length;
  } while (cursor !== SCAN_START);
  return count;
}

function ask(session: EngineSession): (frame: Frame) => ReturnType<EngineSession['request']> {
  return (frame) => session.request(frame);
}

/** Under the locks of the blocks, so that in the log they stand in the order in which the engines took them. */
async function append(
  { pair, log, isHere }: LoggedShard,
  blocks: readonly number[],
  kind: 'writes' | 'base',
): Promise<void> {
  const { layout, settings } = pair.context;
  const most = Math.max(1, Math.min(STEP_MAX_BLOCKS, Math.floor(STEP_MAX_BYTES / layout.blockSizeBytes)));
  for (let from = 0; from < blocks.length; from += most) {
    const step = blocks.slice(from, from + most);
    await settings.repairBandwidth?.take(step.length * layout.blockSizeBytes);
    const unlock = await pair.lock(step);
    let room: Promise<void> | null;
    try {
      const here = step.filter(isHere);
      const content = here.length === 0 ? [] : await pair.read(here);
      room = log.append(new Map(here.map((block, i) => [block, content[i] ?? null])), kind);
    } finally {
      unlock();
    }
    await room;
  }
}
