import type { SeededRandom } from '../seed.ts';
import { SECTORS_PER_BLOCK } from './block-history.ts';
import { MAX_SECTORS, type RequestKind, type RequestSlot } from './nbd-pipe.ts';

/** Parts of a device, in blocks, one behind the other from block 0. */
export interface Regions {
  /** Most requests go here, so that they meet. */
  readonly hotBlocks: number;
  /** Some go here; connections that were left behind go nowhere else. */
  readonly warmBlocks: number;
  readonly coldBlocks: number;
}

const HOT_SHARE = 0.55;
const WARM_SHARE = 0.08;
const READ_SHARE = 0.44;
const FLUSH_SHARE = 0.015;
const ZERO_SHARE = 0.025;
const TRIM_SHARE = 0.02;
const FUA_SHARE = 0.1;

/** Chooses what the next request is. */
export class RequestMix {
  readonly regions: Regions;
  readonly #random: SeededRandom;

  constructor(regions: Regions, random: SeededRandom) {
    this.regions = regions;
    this.#random = random;
  }

  fill(slot: RequestSlot): void {
    const random = this.#random;
    slot.kind = this.#kind();
    slot.fua = slot.kind !== 'read' && slot.kind !== 'flush' && random.fraction() < FUA_SHARE;
    if (slot.kind === 'flush') {
      slot.firstSector = 0;
      slot.sectors = 0;
      return;
    }
    const { hotBlocks, warmBlocks, coldBlocks } = this.regions;
    const where = random.fraction();
    if (where < HOT_SHARE) this.#place(slot, 0, hotBlocks);
    else if (where < HOT_SHARE + WARM_SHARE) this.#place(slot, hotBlocks, warmBlocks);
    else this.#place(slot, hotBlocks + warmBlocks, coldBlocks);
  }

  /** A read or a small write of the warm region, for a connection that was left behind. */
  fillLate(slot: RequestSlot): void {
    slot.kind = this.#random.below(3) === 0 ? 'write' : 'read';
    slot.fua = false;
    slot.firstSector =
      (this.regions.hotBlocks + this.#random.below(this.regions.warmBlocks)) * SECTORS_PER_BLOCK;
    slot.sectors = SECTORS_PER_BLOCK;
  }

  #kind(): RequestKind {
    let draw = this.#random.fraction();
    draw -= READ_SHARE;
    if (draw < 0) return 'read';
    draw -= FLUSH_SHARE;
    if (draw < 0) return 'flush';
    draw -= ZERO_SHARE;
    if (draw < 0) return 'zero';
    draw -= TRIM_SHARE;
    return draw < 0 ? 'trim' : 'write';
  }

  /** 512 bytes to 128 KiB: a quarter below a block, half of one block, the rest of several, at any sector. */
  #place(slot: RequestSlot, firstBlock: number, blocks: number): void {
    const random = this.#random;
    const draw = random.fraction();
    const room = blocks * SECTORS_PER_BLOCK;
    let sectors: number;
    let at: number;
    if (draw < 0.25) {
      sectors = 1 + random.below(SECTORS_PER_BLOCK - 1);
      at = random.below(blocks) * SECTORS_PER_BLOCK + random.below(SECTORS_PER_BLOCK - sectors + 1);
    } else if (draw < 0.78) {
      sectors = SECTORS_PER_BLOCK;
      at = random.below(blocks) * SECTORS_PER_BLOCK;
    } else if (draw < 0.9) {
      sectors = SECTORS_PER_BLOCK * (2 + random.below(3));
      at = random.below(blocks) * SECTORS_PER_BLOCK;
    } else if (draw < 0.985) {
      sectors = 1 + random.below(4 * SECTORS_PER_BLOCK);
      at = random.below(room);
    } else {
      sectors = draw < 0.995 ? 64 : MAX_SECTORS;
      at = random.below(blocks) * SECTORS_PER_BLOCK;
    }
    slot.sectors = Math.min(sectors, room);
    slot.firstSector = firstBlock * SECTORS_PER_BLOCK + Math.min(at, room - slot.sectors);
  }
}
