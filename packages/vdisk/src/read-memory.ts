/** Buffers kept for reuse, of each length. */
const FREE_MAX = 64;
/** Bytes kept for reuse over all lengths. */
const FREE_BYTES_MAX = 16 << 20;
/** Lengths above this are not worth keeping. */
const KEPT_MAX_BYTES = 1 << 20;

/** Kept by all vdisks of the thread together: what one has read, another may read into. */
const free = new Map<number, Buffer[]>();
let freeBytes = 0;

/** Memory that blocks are read into: fresh memory for each read costs more than the read's own copies. */
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
    if (length % this.#blockSizeBytes !== 0 || length > KEPT_MAX_BYTES || data.buffer.byteLength !== length)
      return;
    if (freeBytes + length > FREE_BYTES_MAX) return;
    const kept = free.get(length);
    if (kept === undefined) free.set(length, [data]);
    else if (kept.length < FREE_MAX) kept.push(data);
    else return;
    freeBytes += length;
  }
}
