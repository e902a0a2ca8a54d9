/** Receive and send memory: small slabs for everyone, large ones while large writes arrive, both recycled. */
export const smallSlabBytes = 256 * 1024;
export const largeSlabBytes = 4 * 1024 * 1024;

const maxFreeSmallSlabs = 64;
const maxFreeLargeSlabs = 16;

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

  /** A slab with at least `neededBytes`; above the large size a slab of exactly that size, which is not recycled. */
  take(neededBytes: number): Slab {
    const free = neededBytes <= smallSlabBytes ? this.#small : this.#large;
    const slab = neededBytes <= largeSlabBytes ? free.pop() : undefined;
    if (slab === undefined) {
      return new Slab(neededBytes <= smallSlabBytes ? smallSlabBytes : Math.max(neededBytes, largeSlabBytes));
    }
    slab.refs = 1;
    return slab;
  }

  release(slab: Slab): void {
    slab.refs -= 1;
    if (slab.refs > 0) return;
    if (slab.retainedBy !== undefined) {
      slab.retainedBy.retainedBytes -= slab.bytes.length;
      slab.retainedBy = undefined;
    }
    const sizeBytes = slab.bytes.length;
    if (sizeBytes === smallSlabBytes && this.#small.length < maxFreeSmallSlabs) this.#small.push(slab);
    if (sizeBytes === largeSlabBytes && this.#large.length < maxFreeLargeSlabs) this.#large.push(slab);
  }
}
