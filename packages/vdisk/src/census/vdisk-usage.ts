import { blocksKey, dirtyKey, vdiskKeys } from '../engine-keys.ts';
import type { BlockLayout } from '../layout/block-layout.ts';
import { Frame } from '../resp.ts';
import type { EngineReader } from './engine-reader.ts';

/** What one engine holds of one vdisk. */
export interface VdiskUsage {
  /** Blocks that are stored there; the others are zeros. */
  readonly blocks: number;
  /** Whether they were counted, or estimated from a part. */
  readonly exact: boolean;
  /** Memory of the keys that hold blocks, as the engine estimates it from a bounded sample. */
  readonly dataBytes: number;
  /** Memory of what Salvor keeps beside them. */
  readonly overheadBytes: number;
  /** Number of the last batch of writes applied; 0 when there was none. */
  readonly seq: number;
  /** Blocks that the partner of this engine lacks. */
  readonly dirtyBlocks: number;
}

/** Members that an engine looks at to estimate the memory of a key. */
const USAGE_SAMPLES = 64;

/** `bits`: how many bits the blocks of the vdisk need in its dirty map. */
export async function vdiskUsage(
  reader: EngineReader,
  vdisk: string,
  layout: BlockLayout,
  bits: number,
): Promise<VdiskUsage> {
  const own = vdiskKeys(vdisk).filter((key) => key !== blocksKey(vdisk));
  const [overhead, [dirty], head, census] = await Promise.all([
    memoryOf(reader, own),
    reader.ask(new Frame().command('BITCOUNT', dirtyKey(vdisk))),
    reader.head(vdisk),
    layout.census(reader.ask, bits),
  ]);
  return {
    blocks: census.blocks,
    exact: census.exact,
    dataBytes: await memoryLike(reader, census.someKeys, census.keyCount),
    overheadBytes: overhead + census.besidesBytes,
    seq: head.seq,
    dirtyBlocks: typeof dirty === 'number' ? dirty : 0,
  };
}

/** Bytes of memory of `count` keys of which these are some. */
export async function memoryLike(
  reader: EngineReader,
  some: readonly string[],
  count: number,
): Promise<number> {
  return some.length === 0 ? 0 : Math.round(((await memoryOf(reader, some)) * count) / some.length);
}

/** Bytes of memory; keys that do not exist have none. */
export async function memoryOf(reader: EngineReader, keys: readonly string[]): Promise<number> {
  const frame = new Frame();
  for (const key of keys) frame.command('MEMORY', 'USAGE', key, 'SAMPLES', USAGE_SAMPLES);
  const replies = keys.length === 0 ? [] : await reader.ask(frame);
  return replies.reduce<number>((sum, reply) => sum + (typeof reply === 'number' ? reply : 0), 0);
}
