import type { BlockContent, RestoreTarget, StoredPage } from '../../src/index.ts';
import { BLOCK, BLOCKS, type State } from './memory-log.ts';

/** Blocks in memory. */
export class MemoryTarget implements RestoreTarget {
  readonly blocks: number = BLOCKS;
  readonly blockSize: number = BLOCK;
  readonly stepBlocks: number;
  readonly held: Map<number, Buffer>;
  /** Blocks in the order in which they were written. */
  readonly written: number[] = [];
  /** Called before each write; a rejection is the write's. */
  beforeWrite: (changes: readonly BlockContent[]) => Promise<void> = async () => {};

  constructor(held: State = new Map(), stepBlocks = 4) {
    this.held = new Map(held);
    this.stepBlocks = stepBlocks;
  }

  async write(changes: readonly BlockContent[]): Promise<void> {
    if (changes.length > this.stepBlocks) throw new RangeError(`${changes.length} blocks at once`);
    await this.beforeWrite(changes);
    for (const { block, data } of changes) {
      this.written.push(block);
      if (data === null) this.held.delete(block);
      else this.held.set(block, Buffer.from(data));
    }
  }

  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    return blocks.map((block) => this.held.get(block) ?? null);
  }

  /** In pages that end in the middle of runs. */
  async stored(first: number, end: number): Promise<StoredPage> {
    const next = Math.min(end, first + 7);
    const stored = [...this.held.keys()].filter((block) => block >= first && block < next);
    return { runs: stored.map((block) => ({ first: block, count: 1 })), next };
  }

  async areStored(blocks: readonly number[]): Promise<boolean[]> {
    if (blocks.length > this.stepBlocks) throw new RangeError(`${blocks.length} blocks at once`);
    return blocks.map((block) => this.held.has(block));
  }
}
