import { writesKey } from './engine-keys.ts';
import type { Frame, RespValue } from './resp.ts';

/**
 * An engine's place in the write history of one vdisk shard, kept in the HASH `salvor:writes:<vdisk>`, written in the
 * same transaction as the data.
 *
 * Writes to a pair happen in numbered batches, one at a time, the same batch with the same number on both members. The
 * law that everything rests on: *two members at the same sequence number hold the same blocks, except for those in the
 * dirty map of the one that served alone.*
 *
 * | field | meaning |
 * |---|---|
 * | `seq` | number of the last batch applied here |
 * | `fork` | set while this member serves alone: the last batch that was meant for both |
 * | `ringFloor` | ring entries up to this number are not valid |
 * | `gapFloor` | a partner whose `seq` lies in [gapFloor, ringFloor) lacks only dirty blocks and batches above ringFloor |
 * | `moved` | this pair is being given up: blocks whose bit is below have gone to the other pairs |
 * | `r<slot>` | ring entry of batch n, slot = n mod {@link RING_SLOTS}: which blocks the batch touched |
 */
export interface WriteHead {
  readonly seq: number;
  /** No batch was ever recorded here: the engine holds nothing of the vdisk that Salvor wrote. */
  readonly blank?: boolean;
  readonly fork: number | null;
  readonly ringFloor: number;
  readonly gapFloor: number;
  /** Only of a member whose pair is being given up. */
  readonly moved?: number;
}

/** How many batches an engine remembers. At the rates one shard reaches, seconds of writes: more than a lazy log can lose. */
export const RING_SLOTS = 8192;

/** The fields of a head, in the order in which {@link parseHead} takes them. */
export const HEAD_FIELDS = ['seq', 'fork', 'ringFloor', 'gapFloor', 'moved'] as const;

/** Adds the command that reads the head; its one reply goes to {@link parseHead}. */
export function addReadHead(frame: Frame, vdisk: string): Frame {
  return frame.command('HMGET', writesKey(vdisk), ...HEAD_FIELDS);
}

/** A vdisk that was never written on this engine has the head of zeros. */
export function parseHead(reply: RespValue | undefined): WriteHead {
  const values = Array.isArray(reply) ? reply : [];
  const [seq, fork, ringFloor, gapFloor, moved] = values.map((v) =>
    Buffer.isBuffer(v) ? v.toString('latin1') : '',
  );
  return {
    ...(seq === undefined || seq === '' ? { blank: true } : {}),
    seq: count(seq),
    fork: fork === undefined || fork === '' ? null : count(fork),
    ringFloor: count(ringFloor),
    gapFloor: count(gapFloor),
    ...(moved === undefined || moved === '' ? {} : { moved: count(moved) }),
  };
}

function count(text: string | undefined): number {
  const value = Number(text ?? '');
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** Adds the command that advances the head past a batch meant for both members, with its ring entry. */
export function addAdvance(frame: Frame, vdisk: string, seq: number, blocks: Iterable<number>): void {
  frame.command(
    'HSET',
    writesKey(vdisk),
    'seq',
    seq,
    `r${seq % RING_SLOTS}`,
    encodeRingEntry(seq, [...blocks]),
  );
}

/** Adds the command that advances the head of a member that serves alone; the dirty map, not the ring, records the blocks. */
export function addAdvanceAlone(frame: Frame, vdisk: string, seq: number, fork: number): void {
  frame.command('HSET', writesKey(vdisk), 'seq', seq, 'fork', fork);
}

/** Adds the command that sets the whole head. */
export function addSetHead(frame: Frame, vdisk: string, head: WriteHead): void {
  const { seq, fork, ringFloor, gapFloor } = head;
  frame.command(
    'HSET',
    writesKey(vdisk),
    'seq',
    seq,
    'fork',
    fork ?? '',
    'ringFloor',
    ringFloor,
    'gapFloor',
    gapFloor,
  );
}

/** Adds the command that records how far the blocks of this pair have gone to the others. */
export function addSetMoved(frame: Frame, vdisk: string, bits: number): void {
  frame.command('HSET', writesKey(vdisk), 'moved', bits);
}

/** Adds the command that reads the ring entries of batches `after` + 1 to `upTo`. */
export function addReadRing(frame: Frame, vdisk: string, after: number, upTo: number): Frame {
  const slots: string[] = [];
  for (let seq = after + 1; seq <= upTo; seq++) slots.push(`r${seq % RING_SLOTS}`);
  return frame.command('HMGET', writesKey(vdisk), ...slots);
}

/** The blocks that batches `after` + 1 to `upTo` touched, or null when an entry is missing or was overwritten. */
export function parseRing(reply: RespValue | undefined, after: number, upTo: number): Set<number> | null {
  if (!Array.isArray(reply) || reply.length !== upTo - after) return null;
  const blocks = new Set<number>();
  for (const [i, value] of reply.entries()) {
    const entry = Buffer.isBuffer(value) ? decodeRingEntry(value) : null;
    if (entry === null || entry.seq !== after + 1 + i) return null;
    for (const block of entry.blocks) blocks.add(block);
  }
  return blocks;
}

/** 6 bytes hold a number below 2^48, which is beyond every block index and batch number that can occur. */
const WORD_BYTES = 6;

export function encodeRingEntry(seq: number, blocks: readonly number[]): Buffer {
  const entry = Buffer.allocUnsafe(WORD_BYTES * (blocks.length + 1));
  entry.writeUIntLE(seq, 0, WORD_BYTES);
  for (const [i, block] of blocks.entries()) entry.writeUIntLE(block, WORD_BYTES * (i + 1), WORD_BYTES);
  return entry;
}

export function decodeRingEntry(entry: Buffer): { seq: number; blocks: number[] } | null {
  if (entry.length < WORD_BYTES || entry.length % WORD_BYTES !== 0) return null;
  const blocks: number[] = [];
  for (let at = WORD_BYTES; at < entry.length; at += WORD_BYTES)
    blocks.push(entry.readUIntLE(at, WORD_BYTES));
  return { seq: entry.readUIntLE(0, WORD_BYTES), blocks };
}
