import type { VdiskClone } from '@salvor/config-store';
import { EngineReader } from '../census/engine-reader.ts';
import type { Bandwidth } from '../copy/bandwidth.ts';
import type { VdiskDevice } from '../device.ts';
import { CorruptBlocksError, EngineError } from '../errors.ts';
import { type BlockLayout, SCAN_START } from '../layout/block-layout.ts';
import { type CopyAccess, openSource } from './clone-source.ts';
import type { VdiskMap } from './vdisk-map.ts';

export interface CloneRunOptions {
  readonly source: VdiskMap;
  readonly target: VdiskMap;
  /** The target as its owner writes it: to every copy that must have it. */
  readonly device: VdiskDevice;
  readonly access: CopyAccess;
  /** What is read of the source may take. */
  readonly bandwidth: Bandwidth;
  /** Stores how far it is. Everything before that is on the target. */
  readonly report: (state: VdiskClone) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Bytes and blocks that are on their way at once. */
const STEP_BYTES = 4 << 20;
const STEP_BLOCKS_MAX = 512;
const STEP_BLOCKS_MIN = 8;

/** A page of stored blocks of one shard, with their content. */
interface Page {
  readonly blocks: readonly number[];
  readonly content: readonly (Buffer | null)[];
  readonly cursor: string;
}

/**
 * Copies every stored block of a vdisk that does not change to one that nobody else writes. Goes on where `from` stands.
 *
 * @returns the state in which the verification begins
 */
export async function copyBlocks(options: CloneRunOptions, from: VdiskClone): Promise<VdiskClone> {
  const { source, device, report, signal } = options;
  const blockBytes = source.static.blockSize;
  let state = from;
  for (const shard of source.shards) {
    if (shard < state.shard) continue;
    using reader = await sourceOf(options, shard);
    state = startOf(state, shard, reader);
    let page = await readPage(options, reader, shard, state.cursor);
    for (;;) {
      signal.throwIfAborted();
      const writes = page.blocks.map((block, i) => {
        const content = page.content[i];
        return content == null ? null : device.write(block * blockBytes, whole(content, blockBytes));
      });
      const isLast = page.cursor === SCAN_START;
      // The next page is read while this one is written; a failure of either is told once both have ended.
      const [read, ...written] = await Promise.allSettled([
        isLast ? null : readPage(options, reader, shard, page.cursor),
        ...writes,
      ]);
      for (const result of [...written, read]) if (result.status === 'rejected') throw result.reason;
      state = { ...state, cursor: page.cursor, blocks: state.blocks + page.blocks.length };
      if (isLast || read.status !== 'fulfilled' || read.value === null) break;
      await report(state);
      page = read.value;
    }
    state = { ...state, shard: shard + 1, cursor: SCAN_START, run: '' };
    await report(state);
  }
  return { ...state, phase: 'verify', ...PASS_BEGINS };
}

const PASS_BEGINS = { shard: 0, cursor: SCAN_START, run: '', blocks: 0, differing: 0 } as const;

/**
 * Compares every block of the source with each current copy of the target, and looks on those for blocks that the source
 * does not have. What differs is written again. One pass; `differing` says what it found.
 */
export async function compareBlocks(options: CloneRunOptions, from: VdiskClone): Promise<VdiskClone> {
  const { source, target, device, report, signal } = options;
  const blockBytes = source.static.blockSize;
  const zeros = Buffer.alloc(blockBytes);
  using copies = await openCopies(options);
  let state = from;
  for (const shard of source.shards) {
    if (shard < state.shard) continue;
    using reader = await sourceOf(options, shard);
    state = startOf(state, shard, reader);
    do {
      signal.throwIfAborted();
      const page = await readPage(options, reader, shard, state.cursor);
      const expected = new Map(
        page.blocks.map((block, i) => [block, whole(page.content[i] ?? zeros, blockBytes)]),
      );
      const wrong = new Set<number>();
      for (const [at, blocks] of byShard(target, page.blocks)) {
        for (const copy of copies.of(at)) {
          const { content, corrupt } = await readIntact(copy, target.layout, blocks);
          for (const block of blocks) {
            const found = whole(content.get(block) ?? zeros, blockBytes);
            if (corrupt.includes(block) || expected.get(block)?.equals(found) !== true) wrong.add(block);
          }
        }
      }
      for (const block of wrong) await device.write(block * blockBytes, expected.get(block) ?? zeros);
      const { cursor } = page;
      state = {
        ...state,
        cursor,
        blocks: state.blocks + page.blocks.length,
        differing: state.differing + wrong.size,
      };
      await report(state);
    } while (state.cursor !== SCAN_START);
    state = { ...state, shard: shard + 1, cursor: SCAN_START, run: '' };
  }
  const surplus = await removeSurplus(options, copies, state);
  return { ...state, ...PASS_BEGINS, differing: state.differing + surplus, passes: state.passes + 1 };
}

/** Zeroes what a copy of the target stores and the source does not. */
async function removeSurplus(options: CloneRunOptions, copies: Copies, state: VdiskClone): Promise<number> {
  const { source, target, device, report, signal } = options;
  const readers = new Map<number, EngineReader>();
  let surplus = 0;
  try {
    for (const shard of source.shards) readers.set(shard, await sourceOf(options, shard));
    for (const shard of target.shards) {
      for (const copy of copies.of(shard)) {
        let cursor = SCAN_START;
        do {
          signal.throwIfAborted();
          const page = await target.layout.scanStored(copy.ask, cursor, stepBlocks(source), target.bits);
          for (const [at, blocks] of byShard(source, page.blocks)) {
            const stored = (await readers.get(at)?.areStored(source.layout, blocks)) ?? [];
            for (const block of blocks.filter((_, i) => stored[i] !== true)) {
              if (block >= target.blocks) continue;
              await device.zero(block * source.static.blockSize, source.static.blockSize);
              surplus++;
            }
          }
          cursor = page.cursor;
          await report(state);
        } while (cursor !== SCAN_START);
      }
    }
  } finally {
    for (const reader of readers.values()) reader.close();
  }
  return surplus;
}

/** How many blocks of the source there are to copy. */
export async function countBlocks(options: CloneRunOptions): Promise<number> {
  let count = 0;
  for (const shard of options.source.shards) {
    using reader = await sourceOf(options, shard);
    const { layout, bits } = options.source;
    count += (await layout.census(reader.ask, bits)).blocks;
  }
  return count;
}

interface Copies extends Disposable {
  of(shard: number): readonly EngineReader[];
}

async function openCopies({ target, access }: CloneRunOptions): Promise<Copies> {
  const readers = new Map<number, EngineReader[]>();
  const close = (): void => {
    for (const all of readers.values()) for (const reader of all) reader.close();
  };
  try {
    for (const shard of target.shards) {
      const own: EngineReader[] = [];
      readers.set(shard, own);
      for (const { identity, ...place } of target.copies[shard] ?? [])
        own.push(await EngineReader.open({ ...place, ...access }, identity));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { of: (shard) => readers.get(shard) ?? [], [Symbol.dispose]: close };
}

function sourceOf({ source, access }: CloneRunOptions, shard: number): Promise<EngineReader> {
  return openSource(source.vdisk, shard, source.copies[shard] ?? [], access);
}

/** A cursor means something to the run of the engine that gave it, and to no other. */
function startOf(state: VdiskClone, shard: number, { address, runId }: EngineReader): VdiskClone {
  const run = `${address} ${runId}`;
  return state.shard === shard && state.run === run ? state : { ...state, shard, run, cursor: SCAN_START };
}

async function readPage(
  options: CloneRunOptions,
  reader: EngineReader,
  shard: number,
  cursor: string,
): Promise<Page> {
  const { source, bandwidth } = options;
  const { layout, blocks: end, bits } = source;
  const page = await layout.scanStored(reader.ask, cursor, stepBlocks(source), bits);
  // What an engine keeps of blocks that are placed elsewhere by now, or beyond the end, is not read by anybody.
  const blocks = [...new Set(page.blocks)].filter((block) => block < end && source.shardOf(block) === shard);
  const content: (Buffer | null)[] = [];
  await bandwidth.take(blocks.length * source.static.blockSize);
  for (let at = 0; at < blocks.length; at += STEP_BLOCKS_MAX) {
    const part = blocks.slice(at, at + STEP_BLOCKS_MAX);
    const read = await readIntact(reader, layout, part);
    if (read.corrupt.length > 0) await readElsewhere(options, shard, reader, read);
    content.push(...part.map((block) => read.content.get(block) ?? null));
  }
  const unread = blocks.find((_, i) => content[i] == null);
  if (unread !== undefined) {
    const what = `block ${unread} of vdisk ${source.vdisk} is stored on engine ${reader.address}, and was read as a hole`;
    throw new EngineError('protocol', `${what}: it was changed while it was cloned`);
  }
  return { blocks, content, cursor: page.cursor };
}

interface IntactBlocks {
  readonly content: Map<number, Buffer | null>;
  /** Those that do not match their checksums there. */
  readonly corrupt: number[];
}

async function readIntact(
  reader: EngineReader,
  layout: BlockLayout,
  blocks: readonly number[],
): Promise<IntactBlocks> {
  const content = new Map<number, Buffer | null>();
  const corrupt: number[] = [];
  const read = async (some: readonly number[]): Promise<boolean> => {
    try {
      for (const [i, found] of (await reader.read(layout, some)).entries()) content.set(some[i] ?? 0, found);
      return true;
    } catch (error) {
      if (error instanceof CorruptBlocksError) return false;
      throw error;
    }
  };
  if (!(await read(blocks))) for (const block of blocks) if (!(await read([block]))) corrupt.push(block);
  return { content, corrupt };
}

/** From the other copy of the shard, if that is at the same batch; else the clone waits for somebody to put it right. */
async function readElsewhere(
  { source, access }: CloneRunOptions,
  shard: number,
  reader: EngineReader,
  { content, corrupt }: IntactBlocks,
): Promise<void> {
  const { seq } = await reader.head(source.vdisk);
  const others = (source.copies[shard] ?? []).filter(({ address }) => address !== reader.address);
  for (const { identity, ...place } of others) {
    using other = await EngineReader.open({ ...place, ...access }, identity);
    if ((await other.head(source.vdisk)).seq !== seq) continue;
    for (const [block, found] of (await readIntact(other, source.layout, corrupt)).content)
      content.set(block, found);
  }
  const lost = corrupt.filter((block) => !content.has(block));
  if (lost.length > 0) throw new CorruptBlocksError(reader.address, lost);
}

function stepBlocks({ static: { blockSize } }: VdiskMap): number {
  return Math.max(STEP_BLOCKS_MIN, Math.min(STEP_BLOCKS_MAX, Math.floor(STEP_BYTES / blockSize)));
}

function byShard(map: VdiskMap, blocks: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const block of blocks) {
    const shard = map.shardOf(block);
    groups.set(shard, [...(groups.get(shard) ?? []), block]);
  }
  return groups;
}

/** A value shorter than a block reads as if zeros followed it. */
function whole(content: Buffer, blockBytes: number): Buffer {
  if (content.length === blockBytes) return content;
  const block = Buffer.alloc(blockBytes);
  content.copy(block, 0, 0, blockBytes);
  return block;
}
