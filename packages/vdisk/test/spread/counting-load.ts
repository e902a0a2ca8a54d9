import assert from 'node:assert/strict';
import type { VdiskDevice } from '../../src/index.ts';
import { VdiskIoError } from '../../src/index.ts';
import { BLOCK_BYTES } from './spread-world.ts';

/** What a block may hold: every write to it from the last acknowledged one on. A block of zeros is counter 0. */
interface Cell {
  /** Counters by write, of which some are zero. */
  readonly writes: number[];
  acknowledged: number;
}

/**
 * Writers that each have blocks of their own, with a rising counter in every 4 bytes of a block, at times as a write of
 * zeros or of a part; and readers who see to it that no block is older than its last acknowledged write.
 */
export class CountingLoad {
  device: VdiskDevice;
  readonly #cells: Cell[];
  readonly #blocks: readonly number[];
  #isOver = false;
  #running: Promise<void>[] = [];
  /** Requests that were refused, as they may be while an engine is away. */
  refused = 0;
  acknowledged = 0;

  constructor(device: VdiskDevice, blocks: readonly number[]) {
    this.device = device;
    this.#blocks = blocks;
    this.#cells = blocks.map(() => ({ writes: [0], acknowledged: 0 }));
  }

  start(workers: number): void {
    this.#isOver = false;
    for (let worker = 0; worker < workers; worker++) {
      const own = this.#blocks.map((_, i) => i).filter((i) => i % workers === worker);
      this.#running.push(this.#write(own), this.#read(own));
    }
  }

  /** Rejects with the first thing that was wrong. */
  async stop(): Promise<void> {
    this.#isOver = true;
    for (const result of await Promise.allSettled(this.#running.splice(0)))
      if (result.status === 'rejected') throw result.reason;
  }

  /** Every block holds what was last acknowledged, or something that was written after it. */
  async verify(): Promise<void> {
    for (const i of this.#blocks.keys()) await this.#look(i);
  }

  async #write(own: readonly number[]): Promise<void> {
    while (!this.#isOver) {
      for (const i of own) {
        if (this.#isOver) return;
        const cell = this.#cells[i] ?? assert.fail();
        const offset = (this.#blocks[i] ?? 0) * BLOCK_BYTES;
        const attempt = cell.writes.length;
        const isZero = attempt % 5 === 0;
        cell.writes.push(isZero ? 0 : attempt);
        const done = isZero
          ? this.device.zero(offset, BLOCK_BYTES)
          : attempt % 3 === 0
            ? this.#writeInParts(offset, attempt)
            : this.device.write(offset, counted(attempt));
        if (!(await this.#isDone(done))) continue;
        cell.acknowledged = attempt;
        this.acknowledged++;
      }
    }
  }

  /** Across the border of nothing: two halves, the second one first. */
  async #writeInParts(offset: number, counter: number): Promise<void> {
    const content = counted(counter);
    const half = BLOCK_BYTES / 2;
    await this.device.write(offset + half, content.subarray(half));
    await this.device.write(offset, content.subarray(0, half));
  }

  async #read(own: readonly number[]): Promise<void> {
    while (!this.#isOver) for (const i of own) if (!this.#isOver) await this.#isDone(this.#look(i));
  }

  async #look(i: number): Promise<void> {
    const cell = this.#cells[i] ?? assert.fail();
    const from = cell.acknowledged;
    const found = await this.device.read((this.#blocks[i] ?? 0) * BLOCK_BYTES, BLOCK_BYTES);
    const allowed = new Set(cell.writes.slice(from));
    for (const at of [0, BLOCK_BYTES / 2 - 4, BLOCK_BYTES / 2, BLOCK_BYTES - 4]) {
      const counter = found.readUInt32LE(at);
      assert.ok(
        allowed.has(counter),
        `block ${this.#blocks[i]} has counter ${counter}, expected one of ${[...allowed].join(', ')}`,
      );
    }
  }

  async #isDone(request: Promise<void>): Promise<boolean> {
    try {
      await request;
      return true;
    } catch (error) {
      if (!(error instanceof VdiskIoError)) throw error;
      this.refused++;
      // What is refused at once must not keep everybody else from running.
      await new Promise((resolve) => setImmediate(resolve));
      return false;
    }
  }
}

function counted(counter: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at += 4) block.writeUInt32LE(counter, at);
  return block;
}
