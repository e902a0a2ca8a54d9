/** Receive and send memory: small slabs for everyone, larger ones while large writes arrive, all recycled. */
export const smallSlabBytes = 256 * 1024;
export const largeSlabBytes = 4 * 1024 * 1024;

const maxFreeSmallSlabs = 64;
const maxFreeLargeSlabs = 8;
/** Above the large size slabs come in multiples of it, so that what one write needed fits another. */
const maxFreeHugeBytes = 64 * 1024 * 1024;

/** One piece of memory shared by what was received into it; it is free when nobody refers to it any more. */
export class Slab {
  refs = 1;
  /** Set once its reader has moved on while payloads still lie in it. */
  retainedBy: SlabAccount | undefined;
  readonly bytes: Buffer;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
  }
}

/** Bytes of slabs that one reader has left behind, kept alive by payloads in them. */
export interface SlabAccount {
  retainedBytes: number;
}

export class SlabPool {
  readonly #small: Slab[] = [];
  readonly #large: Slab[] = [];
  /** Memory of this size that is left to the garbage collector piles up before it is collected. */
  readonly #huge: Slab[] = [];
  #freeHugeBytes = 0;

  /** A slab with at least `neededBytes`. */
  take(neededBytes: number): Slab {
    const slab = neededBytes > largeSlabBytes ? this.#takeHuge(neededBytes) : this.#free(neededBytes).pop();
    if (slab === undefined) return new Slab(sizeFor(neededBytes));
    slab.refs = 1;
    return slab;
  }

  release(slab: Slab): void {
    slab.refs -= 1;
    if (slab.refs > 0) return;
    const sizeBytes = slab.bytes.length;
    if (slab.retainedBy !== undefined) {
      slab.retainedBy.retainedBytes -= sizeBytes;
      slab.retainedBy = undefined;
    }
    if (sizeBytes > largeSlabBytes) {
      this.#huge.push(slab);
      this.#freeHugeBytes += sizeBytes;
      // The oldest goes: it was of no use for longest.
      while (this.#freeHugeBytes > maxFreeHugeBytes)
        this.#freeHugeBytes -= this.#huge.shift()?.bytes.length ?? 0;
      return;
    }
    const most = sizeBytes === smallSlabBytes ? maxFreeSmallSlabs : maxFreeLargeSlabs;
    const free = this.#free(sizeBytes);
    if (free.length < most) free.push(slab);
  }

  #free(sizeBytes: number): Slab[] {
    return sizeBytes <= smallSlabBytes ? this.#small : this.#large;
  }

  #takeHuge(neededBytes: number): Slab | undefined {
    const at = this.#huge.findIndex(({ bytes }) => bytes.length >= neededBytes);
    const [slab] = at < 0 ? [] : this.#huge.splice(at, 1);
    this.#freeHugeBytes -= slab?.bytes.length ?? 0;
    return slab;
  }
}

function sizeFor(neededBytes: number): number {
  return neededBytes <= smallSlabBytes
    ? smallSlabBytes
    : Math.ceil(neededBytes / largeSlabBytes) * largeSlabBytes;
}
