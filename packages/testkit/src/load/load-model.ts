import type { BlockContent } from './block-content.ts';

/** One block that does not hold what it must. */
export interface LostBlock {
  block: number;
  /** A sentence: expected, found. */
  reason: string;
  acknowledgedVersion: number;
  submittedVersion: number;
  found: BlockContent;
}

/**
 * What may be in each block. Versions of a block count up from 1; 0 is "never written".
 * A block must hold a version that was submitted, and none older than the newest one that was acknowledged or read:
 * an unacknowledged write may or may not be there, but once a read has seen it, it cannot go away again.
 */
export class LoadModel {
  readonly firstBlock: number;
  readonly blockCount: number;
  readonly #submitted: Uint32Array;
  readonly #acknowledged: Uint32Array;
  readonly #floor: Uint32Array;

  constructor(firstBlock: number, blockCount: number) {
    this.firstBlock = firstBlock;
    this.blockCount = blockCount;
    this.#submitted = new Uint32Array(blockCount);
    this.#acknowledged = new Uint32Array(blockCount);
    this.#floor = new Uint32Array(blockCount);
  }

  /** The version to write next. */
  submit(block: number): number {
    const index = this.#index(block);
    const version = this.submittedVersion(block) + 1;
    this.#submitted[index] = version;
    return version;
  }

  acknowledge(block: number, version: number): void {
    const index = this.#index(block);
    if (version > this.submittedVersion(block))
      throw new RangeError(`version ${version} was never submitted`);
    this.#acknowledged[index] = Math.max(this.acknowledgedVersion(block), version);
    this.#floor[index] = Math.max(this.oldestAllowed(block), version);
  }

  submittedVersion(block: number): number {
    return this.#submitted[this.#index(block)] ?? 0;
  }
  acknowledgedVersion(block: number): number {
    return this.#acknowledged[this.#index(block)] ?? 0;
  }
  /** A read that starts now must return this version or a newer one. */
  oldestAllowed(block: number): number {
    return this.#floor[this.#index(block)] ?? 0;
  }

  /**
   * Judges what a read returned, and remembers what it has seen. `oldest` is `oldestAllowed` at the time the read
   * was sent. Null when all is well.
   */
  judge(block: number, found: BlockContent, oldest: number = this.oldestAllowed(block)): LostBlock | null {
    const submitted = this.submittedVersion(block);
    const lost = (reason: string): LostBlock => ({
      block,
      reason,
      acknowledgedVersion: this.acknowledgedVersion(block),
      submittedVersion: submitted,
      found,
    });
    const expected = `expected version ${oldest}${submitted > oldest ? ` to ${submitted}` : ''}`;
    switch (found.kind) {
      case 'zero':
        return oldest === 0 ? null : lost(`block ${block}: ${expected}, found zeroes`);
      case 'version':
        if (found.version < oldest) {
          return lost(`block ${block}: ${expected}, found the older version ${found.version}`);
        }
        if (found.version > submitted) {
          return lost(`block ${block}: ${expected}, found version ${found.version}, never submitted`);
        }
        this.#floor[this.#index(block)] = Math.max(this.oldestAllowed(block), found.version);
        return null;
      case 'damaged':
        return lost(
          `block ${block}: ${expected}, found version ${found.version} damaged from byte ${found.firstBadByte}`,
        );
      case 'misplaced':
        return lost(
          `block ${block}: ${expected}, found version ${found.version} of block ${found.block} of seed ${found.seed}`,
        );
      case 'foreign':
        return lost(`block ${block}: ${expected}, found bytes this load never wrote`);
    }
  }

  #index(block: number): number {
    const index = block - this.firstBlock;
    if (index < 0 || index >= this.blockCount) throw new RangeError(`block ${block} is outside of the load`);
    return index;
  }
}
