import { clientActivity } from './copy/client-activity.ts';
import type { CopyHow } from './copy/copy-messages.ts';
import { politeTurns } from './copy/polite-turns.ts';
import { dirtyKey } from './engine-keys.ts';
import type { EngineSession } from './engine-session.ts';
import { decideHoleScan, HOLE_SCAN_MARKED_MIN } from './hole-scan.ts';
import { SCAN_START } from './layout/block-layout.ts';
import type { Pair } from './pair.ts';
import { REPAIR_REST } from './pair-context.ts';
import type { PairMember } from './pair-member.ts';
import { Frame } from './resp.ts';

/** Blocks named by one step of a scan. */
const SCAN_PAGE = 512;
/** Bytes of the dirty map that are changed between two batches: half a million blocks. */
const UNMARK_BYTES = 64 << 10;

export interface PairHolesOptions {
  readonly pair: Pair;
  readonly source: PairMember;
  readonly target: PairMember;
  readonly how: CopyHow;
  /** Marked blocks. */
  readonly marked: number;
  /** Throws when the target is not prepared for this repair any more. */
  readonly assertWanted: () => void;
  /** Does something with the target, which has failed when it is at fault. */
  readonly onTarget: <T>(work: () => Promise<T>) => Promise<T>;
}

export interface UnmarkedHoles {
  /** Blocks whose marks went. */
  readonly unmarked: number;
  /** How the blocks that are left are to be copied. */
  readonly how: CopyHow;
}

/**
 * Takes the marks off the blocks that neither member stores, so that a copy does not step through the holes of a vdisk.
 *
 * Called once the target is prepared: from then on both members take every write, and nobody else changes either. So a block
 * that is named by no scan was a hole on both all the time, or was written meanwhile, on both: its copies are the same, as
 * the law of the write history wants it of a block without a mark. Its mark needs no ring entry to go: a target that loses its
 * tail has the hole that it had, or lost a batch that the ring tells of.
 */
export async function unmarkHoles(options: PairHolesOptions): Promise<UnmarkedHoles> {
  const { pair, source, target, how, marked, assertWanted, onTarget } = options;
  if (marked < HOLE_SCAN_MARKED_MIN) return { unmarked: 0, how };
  // Sessions, not members: a cursor of before a restart of the engine names other places after it.
  const from = await source.open();
  const to = await onTarget(() => target.open());
  const count = await storedOn(pair, from);
  const there = await onTarget(() => storedOn(pair, to));
  if (!decideHoleScan({ marked, stored: count + there })) return { unmarked: 0, how };
  const kept = Buffer.alloc(Math.ceil(pair.context.bits / 8));
  await scan(pair, from, kept, assertWanted);
  const found = await onTarget(() => scan(pair, to, kept, assertWanted));
  let unmarked = 0;
  for (let at = 0; at < kept.length; at += UNMARK_BYTES) {
    const part = kept.subarray(at, at + UNMARK_BYTES);
    unmarked += await pair.exclusive(() => {
      assertWanted();
      return unmark(pair, source, at, part);
    });
  }
  // What the target holds although it should hold nothing yet is removed where the source does not.
  return { unmarked, how: how === 'stored' && found > 0 ? 'all' : how };
}

async function storedOn({ context }: Pair, session: EngineSession): Promise<number> {
  return (await context.layout.census((frame) => session.request(frame), context.bits)).blocks;
}

/** Sets the bit of every block that the engine stores; resolves with how many it named. */
async function scan(
  { context }: Pair,
  session: EngineSession,
  bits: Buffer,
  assertWanted: () => void,
): Promise<number> {
  const { layout, shards, settings } = context;
  const rest = settings.repairRest ?? REPAIR_REST;
  let cursor = SCAN_START;
  let found = 0;
  do {
    assertWanted();
    const endTurn = clientActivity.isBusy() ? await politeTurns.take() : null;
    const beganAt = performance.now();
    try {
      const page = await layout.scanStored(
        (frame) => session.request(frame),
        cursor,
        SCAN_PAGE,
        context.bits,
      );
      cursor = page.cursor;
      found += page.blocks.length;
      for (const block of page.blocks) setBit(bits, layout.bitOf(block, shards));
    } finally {
      endTurn?.((performance.now() - beganAt) * rest);
    }
  } while (cursor !== SCAN_START);
  return found;
}

/** In the order of the bits of the map: the first is the highest of its byte. What lies beyond the end has none. */
function setBit(bits: Buffer, bit: number): void {
  const byte = Math.floor(bit / 8);
  if (byte < bits.length) bits[byte] = (bits[byte] ?? 0) | (0x80 >> (bit % 8));
}

/** Between two batches: leaves of a part of the map only the marks that are kept. */
async function unmark(pair: Pair, source: PairMember, at: number, kept: Buffer): Promise<number> {
  const key = dirtyKey(pair.context.vdisk);
  const session = await source.open();
  const range = new Frame().command('GETRANGE', key, at, at + kept.length - 1);
  const [map] = await session.request(range);
  if (!Buffer.isBuffer(map)) return 0;
  let unmarked = 0;
  for (let i = 0; i < map.length; i++) {
    const [before, keep] = [map[i] ?? 0, kept[i] ?? 0];
    unmarked += bitsSet(before & ~keep);
    map[i] = before & keep;
  }
  if (unmarked > 0) await source.transact(new Frame().command('SETRANGE', key, at, map), session.head);
  return unmarked;
}

function bitsSet(byte: number): number {
  let count = 0;
  for (let rest = byte & 0xff; rest > 0; rest &= rest - 1) count++;
  return count;
}
