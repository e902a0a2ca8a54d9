import { pause } from '@salvor/service-kit';
import type { Bandwidth } from '../copy/bandwidth.ts';
import { clientActivity } from '../copy/client-activity.ts';
import { type CopyJobHandle, copier } from '../copy/copier.ts';
import type { CopyEnd } from '../copy/copy-messages.ts';
import { readSound } from '../corrupt-blocks.ts';
import type { EngineSession } from '../engine-session.ts';
import { unixSocketOf } from '../engine-socket.ts';
import type { Pair } from '../pair.ts';
import type { PairMember } from '../pair-member.ts';
import type { MemberName } from '../pair-mode.ts';
import { Frame } from '../resp.ts';
import { addReadRing, parseRing, RING_SLOTS } from '../write-history.ts';
import { decideScrubRepair, type SideEvidence } from './scrub-decision.ts';

/** Blocks and bytes compared in one step; fewer, with a rest behind them, while clients are at work. */
const STEP_MAX_BLOCKS = 256;
const STEP_MAX_BYTES = 1 << 20;
const POLITE_STEP_BLOCKS = 32;

/** A block whose two copies differed although no write to it was under way. */
export interface Mismatch {
  readonly shard: number;
  readonly block: number;
  /** The side whose copy was taken, null when nothing was repaired. */
  readonly repairedFrom: MemberName | null;
  readonly reason: string;
}

export interface PairScrubOptions {
  /** False: only report. */
  readonly repair: boolean;
  readonly prefer: MemberName | null;
  readonly bandwidth: Bandwidth;
  /** Ends the scrub between two steps. */
  readonly signal: AbortSignal;
  /** Bit of the dirty map, of which every block has one, to go on from. */
  readonly fromBit: number;
  /** Called behind each step. */
  onStep(step: { nextBit: number; blocks: number; mismatches: readonly Mismatch[] }): Promise<void>;
}

/**
 * Compares both copies of every block of a pair: by their hashes in the copy worker, and what differs once more under a
 * lock, byte for byte. Rejects when the pair is not mirrored, or a link breaks: then it goes on later from `fromBit`.
 */
export async function scrubPair(pair: Pair, options: PairScrubOptions): Promise<void> {
  assertMirrored(pair);
  const job = openJob(pair);
  try {
    const { layout, bits } = pair.context;
    const most = Math.max(1, Math.min(STEP_MAX_BLOCKS, Math.floor(STEP_MAX_BYTES / layout.blockSizeBytes)));
    for (let bit = options.fromBit; bit < bits; ) {
      options.signal.throwIfAborted();
      assertMirrored(pair);
      const isPolite = clientActivity.isBusy();
      const end = Math.min(bits, bit + (isPolite ? Math.min(most, POLITE_STEP_BLOCKS) : most));
      const blocks: number[] = [];
      for (let i = bit; i < end; i++) blocks.push(...pair.context.blocksOfBit(i));
      await options.bandwidth.take(blocks.length * layout.blockSizeBytes);
      const beganAt = performance.now();
      const mismatches: Mismatch[] = [];
      const { differing } = await job.compare(blocks);
      for (const block of differing) {
        const mismatch = await verify(pair, block, options);
        if (mismatch !== null) mismatches.push(mismatch);
      }
      bit = end;
      await options.onStep({ nextBit: bit, blocks: blocks.length, mismatches });
      if (isPolite) await pause(performance.now() - beganAt);
    }
  } finally {
    job.close();
  }
}

/** Looks once more while no write to the block can be under way, and repairs what is proven. Null: they are equal. */
async function verify(
  pair: Pair,
  block: number,
  { repair, prefer }: Pick<PairScrubOptions, 'repair' | 'prefer'>,
): Promise<Mismatch | null> {
  const { shard } = pair.context;
  const unlock = await pair.lock([block]);
  try {
    assertMirrored(pair);
    const [primary, slave] = await Promise.all([
      look(pair, pair.member('primary'), block),
      look(pair, pair.member('slave'), block),
    ]);
    const checksums = [primary.evidence.checksum, slave.evidence.checksum];
    if (!checksums.includes('fails') && isSameContent(primary.content, slave.content)) return null;
    const sides = { primary, slave };
    const decision = decideScrubRepair({ primary: primary.evidence, slave: slave.evidence }, prefer);
    if (decision.kind === 'report' || !repair)
      return { shard, block, repairedFrom: null, reason: decision.reason };
    // A batch like any other, to both members: the history of both names the block.
    await pair.writeLocked([{ block, data: sides[decision.from].content }]);
    return { shard, block, repairedFrom: decision.from, reason: decision.reason };
  } finally {
    unlock();
  }
}

interface Look {
  /** Null = zeros. */
  readonly content: Buffer | null;
  readonly evidence: SideEvidence;
}

async function look(pair: Pair, member: PairMember, block: number): Promise<Look> {
  const session = await member.open();
  const { found, corrupt } = await readSound(session, [block]);
  const hasChecksums = pair.context.layout.spec.kind === 'volume';
  const checksum = corrupt.length > 0 ? 'fails' : hasChecksums ? 'matches' : null;
  return {
    content: found.get(block) ?? null,
    evidence: { checksum, lastBatch: await lastBatchOf(pair, session, block) },
  };
}

/** The last batch in the engine's ring that touched the block. */
async function lastBatchOf(pair: Pair, session: EngineSession, block: number): Promise<number | null> {
  const { seq, ringFloor } = session.head;
  const first = Math.max(ringFloor, seq - RING_SLOTS);
  // Backwards: what differs was mostly written lately, or so long ago that no ring knows.
  for (let upTo = seq; upTo > first; upTo -= RING_STRETCH) {
    const after = Math.max(first, upTo - RING_STRETCH);
    const entries = await ringEntries(pair, session, after, upTo);
    const found = entries.findLastIndex((blocks) => blocks?.has(block) === true);
    if (found >= 0) return after + 1 + found;
  }
  return null;
}

/** Ring entries looked at with one command. */
const RING_STRETCH = 1024;

async function ringEntries(
  pair: Pair,
  session: EngineSession,
  after: number,
  upTo: number,
): Promise<(Set<number> | null)[]> {
  const [reply] = await session.request(addReadRing(new Frame(), pair.context.vdisk, after, upTo));
  const values = Array.isArray(reply) ? reply : [];
  return values.map((value, i) => parseRing([value], after + i, after + i + 1));
}

function openJob(pair: Pair): CopyJobHandle {
  const { epoch, layout, settings } = pair.context;
  const { connectTimeoutMs, commandTimeoutMs, login, engineSockets } = settings;
  const end = ({ record: { address, db } }: PairMember): CopyEnd => ({
    address,
    unixSocket: unixSocketOf(engineSockets, address),
    db,
    login,
  });
  return copier.open({
    layout: layout.spec,
    epoch,
    guard: null,
    source: end(pair.member('primary')),
    target: end(pair.member('slave')),
    connectTimeoutMs,
    commandTimeoutMs,
  });
}

function assertMirrored(pair: Pair): void {
  const { mode } = pair;
  if (mode.kind !== 'mirrored')
    throw new Error(`shard ${pair.context.shard} cannot be scrubbed now: ${mode.reason}`);
}

/** A value shorter than a block reads as if zeros followed it, and a block of zeros may be stored or not. */
function isSameContent(a: Buffer | null, b: Buffer | null): boolean {
  if (a !== null && b !== null) return a.equals(b);
  return (a ?? b)?.every((byte) => byte === 0) ?? true;
}
