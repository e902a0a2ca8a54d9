/** Most of what is read at once fits several times; what does not gets memory of its own. */
const SLAB_BYTES: number = 1 << 20;
/** Slabs kept for reuse. */
const FREE_SLABS_MAX = 96;

/** Memory for what is read from a log, used again and again: fresh pages would cost more than the bytes that are read into them. */
export class SlabPool {
  readonly #free: SharedArrayBuffer[] = [];

  take(): SharedArrayBuffer {
    return this.#free.pop() ?? new SharedArrayBuffer(SLAB_BYTES);
  }

  give(slabs: readonly SharedArrayBuffer[]): void {
    for (const slab of slabs) if (this.#free.length < FREE_SLABS_MAX) this.#free.push(slab);
  }
}

/** Memory for several reads, which is given back as one. Shared, so that reading threads fill it. */
export class ReadMemory {
  readonly #pool: SlabPool;
  readonly #slabs: SharedArrayBuffer[] = [];
  #used = 0;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  take(bytes: number): Buffer {
    if (bytes > SLAB_BYTES) return sharedBuffer(bytes);
    let slab = this.#slabs.at(-1);
    if (slab === undefined || this.#used + bytes > SLAB_BYTES) {
      slab = this.#pool.take();
      this.#slabs.push(slab);
      this.#used = 0;
    }
    this.#used += bytes;
    return Buffer.from(slab, this.#used - bytes, bytes);
  }

  /**
   * Nothing looks at what was read any more. Not to be called when a read failed: it may still be under way, and would write
   * over what others read.
   */
  release(): void {
    this.#pool.give(this.#slabs.splice(0));
  }
}

export function sharedBuffer(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes));
}
