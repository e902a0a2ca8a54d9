/** Buffers kept for reuse, of each length. */
const FREE_MAX = 64;
/** Bytes kept for reuse over all lengths. */
const FREE_BYTES_MAX = 32 << 20;

/** Kept by all vdisks of the thread together: what one has read, another may read into. */
const free = new Map<number, Buffer[]>();
let freeBytes = 0;

/**
 * Memory that blocks are read into: fresh memory for each read costs more than the read's own copies, and what is left to
 * the garbage collector piles up to gigabytes under large reads.
 */
export class ReadMemory {
  readonly #blockSizeBytes: number;

  constructor(blockSizeBytes: number) {
    this.#blockSizeBytes = blockSizeBytes;
  }

  /** Not zeroed. */
  take(lengthBytes: number): Buffer {
    const found = free.get(lengthBytes)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(lengthBytes);
    freeBytes -= lengthBytes;
    return found;
  }

  /** Parts of a buffer are not kept. */
  give(data: Buffer): void {
    const { length } = data;
    if (length % this.#blockSizeBytes !== 0 || length > FREE_BYTES_MAX || data.buffer.byteLength !== length)
      return;
    const kept = free.get(length);
    if (kept !== undefined && kept.length >= FREE_MAX) return;
    if (freeBytes + length > FREE_BYTES_MAX && !makeRoom(length)) return;
    if (kept === undefined) free.set(length, [data]);
    else kept.push(data);
    freeBytes += length;
  }
}

/** Lets go of buffers of other lengths, the longest known first; false when they do not make up for `lengthBytes`. */
function makeRoom(lengthBytes: number): boolean {
  for (const [length, kept] of free) {
    if (length === lengthBytes) continue;
    free.delete(length);
    freeBytes -= length * kept.length;
    if (freeBytes + lengthBytes <= FREE_BYTES_MAX) return true;
  }
  return false;
}
