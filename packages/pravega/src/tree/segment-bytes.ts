/** The bytes of one segment, put together from its chunks. */
import { createHash } from 'node:crypto';
import type { TreeFiles } from './tree-files.ts';

/** Bytes `[at, at + length)` of a segment, in a file from `fileOffset` on. */
export interface Extent {
  readonly at: number;
  readonly length: number;
  readonly path: string;
  readonly fileOffset: number;
}

export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

const HASH_READ_BYTES = 64 * 1024;

/** Extents are in order, and do not overlap; what is missing between them is a hole. */
export class SegmentBytes {
  readonly extents: readonly Extent[];
  readonly #files: TreeFiles;

  constructor(files: TreeFiles, extents: readonly Extent[]) {
    this.#files = files;
    this.extents = extents;
  }

  /** Offset of the first byte that is there. */
  get start(): number {
    return this.extents[0]?.at ?? 0;
  }

  /** Offset behind the last byte that is there. */
  get end(): number {
    const last = this.extents.at(-1);
    return last === undefined ? 0 : last.at + last.length;
  }

  /** What is missing of `[from, to)`. */
  holes(from: number, to: number): ByteRange[] {
    const holes: ByteRange[] = [];
    let at = from;
    for (const extent of this.extents) {
      const end = extent.at + extent.length;
      if (end <= at) continue;
      if (extent.at >= to) break;
      if (extent.at > at) holes.push({ from: at, to: extent.at });
      at = end;
    }
    if (at < to) holes.push({ from: at, to });
    return holes;
  }

  /** From an offset on; fewer bytes than asked for where the segment ends, has a hole, or cannot be read. */
  async read(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.end);
    const parts: Buffer[] = [];
    let at = offset;
    for (let index = this.#indexOf(offset); at < end; index += 1) {
      const extent = this.extents[index];
      if (extent === undefined || extent.at > at) break;
      const wanted = Math.min(end, extent.at + extent.length) - at;
      const part = await this.#files.read(extent.path, extent.fileOffset + at - extent.at, wanted);
      parts.push(part);
      at += part.length;
      if (part.length < wanted) break;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** The bytes in pieces. Ends early at a hole or a file that cannot be read. */
  async *stream(from: number, to: number): AsyncGenerator<Buffer> {
    for (let at = from; at < to; ) {
      const piece = await this.read(at, Math.min(HASH_READ_BYTES, to - at));
      if (piece.length === 0) return;
      at += piece.length;
      yield piece;
    }
  }

  /** SHA-256 in hexadecimal, or null when not all of the bytes can be read. */
  async sha256(from: number, to: number): Promise<string | null> {
    if (this.holes(from, to).length > 0) return null;
    const hash = createHash('sha256');
    let at = from;
    for await (const piece of this.stream(from, to)) {
      hash.update(piece);
      at += piece.length;
    }
    return at === to ? hash.digest('hex') : null;
  }

  /** Binary search: the extent that has this offset. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = this.extents[middle];
      if (extent !== undefined && extent.at + extent.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
