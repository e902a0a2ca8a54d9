/** Blocks of a page: 16 KiB of bits. */
const PAGE_BLOCKS = 131_072;
const PAGE_WORDS = PAGE_BLOCKS / 32;

/**
 * A set of blocks of one vdisk: one bit a block, in pages that are allocated when they are first touched and given up when
 * they are full. A vdisk of 1 TiB with blocks of 4 KiB takes 32 MiB at most.
 */
export class BlockBitmap {
  readonly #pages: (Int32Array | 'full' | undefined)[] = [];
  readonly #inPage: number[] = [];
  #count = 0;
  #digest = 0;

  /** Most bytes that a set of `blocks` blocks can take. */
  static bytesFor(blocks: number): number {
    return Math.ceil(blocks / PAGE_BLOCKS) * (PAGE_BLOCKS / 8);
  }

  get count(): number {
    return this.#count;
  }

  /** The same for the same blocks, whatever their order; 32 bits. */
  get digest(): number {
    return this.#digest >>> 0;
  }

  /** False when it was in already. */
  add(block: number): boolean {
    const page = Math.floor(block / PAGE_BLOCKS);
    let bits = this.#pages[page];
    if (bits === 'full') return false;
    if (bits === undefined) {
      bits = new Int32Array(PAGE_WORDS);
      this.#pages[page] = bits;
    }
    const place = block % PAGE_BLOCKS;
    const word = bits[place >>> 5] ?? 0;
    const bit = 1 << (place & 31);
    if ((word & bit) !== 0) return false;
    bits[place >>> 5] = word | bit;
    this.#count++;
    this.#digest = (this.#digest + scattered(block)) | 0;
    const inPage = (this.#inPage[page] ?? 0) + 1;
    this.#inPage[page] = inPage;
    if (inPage === PAGE_BLOCKS) this.#pages[page] = 'full';
    return true;
  }

  has(block: number): boolean {
    const bits = this.#pages[Math.floor(block / PAGE_BLOCKS)];
    if (bits === undefined) return false;
    if (bits === 'full') return true;
    const place = block % PAGE_BLOCKS;
    return ((bits[place >>> 5] ?? 0) & (1 << (place & 31))) !== 0;
  }

  copy(): BlockBitmap {
    const copy = new BlockBitmap();
    for (const [page, bits] of this.#pages.entries())
      if (bits !== undefined) copy.#pages[page] = bits === 'full' ? bits : bits.slice();
    copy.#inPage.push(...this.#inPage);
    copy.#count = this.#count;
    copy.#digest = this.#digest;
    return copy;
  }
}

/** So that sums of few blocks with nearby numbers differ. */
function scattered(block: number): number {
  const low = Math.imul(((block | 0) + 0x9e37_79b9) ^ Math.floor(block / 2 ** 32), 0x85eb_ca6b);
  return Math.imul(low ^ (low >>> 15), 0xc2b2_ae35);
}
