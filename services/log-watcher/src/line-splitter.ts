/** Longer lines are cut: a source without newlines must not fill the memory. */
export const MAX_LINE_BYTES: number = 64 * 1024;

const NEWLINE = 0x0a;

export interface Line {
  /** Without its newline, at most MAX_LINE_BYTES. Valid until the next chunk is pushed. */
  readonly bytes: Buffer;
  /** Offset of its first byte in the source. */
  readonly start: number;
  /** Offset after its newline. */
  readonly end: number;
  /** Only the beginning of a longer line. */
  readonly cut: boolean;
}

/** Makes lines of chunks, with their place in the source. */
export class LineSplitter {
  #held: Buffer[] = [];
  #heldBytes = 0;
  #lineStart: number;
  #readTo: number;

  constructor(offset: number) {
    this.#lineStart = offset;
    this.#readTo = offset;
  }

  /** Offset after the last byte pushed. */
  get readTo(): number {
    return this.#readTo;
  }

  /** Whether bytes of an unfinished line are held. */
  get midLine(): boolean {
    return this.#readTo > this.#lineStart;
  }

  *push(chunk: Buffer): Generator<Line> {
    const chunkStart = this.#readTo;
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const line = this.#take(chunk.subarray(from, at), chunkStart + at + 1);
      from = at + 1;
      this.#readTo = line.end;
      yield line;
    }
    this.#hold(chunk.subarray(from));
    this.#readTo = chunkStart + chunk.length;
  }

  /** The unfinished last line of a source that has ended. */
  rest(): Line | null {
    return this.midLine ? this.#take(Buffer.alloc(0), this.#readTo) : null;
  }

  #take(tail: Buffer, end: number): Line {
    const bytes = this.#held.length === 0 ? tail : Buffer.concat([...this.#held, tail]);
    const start = this.#lineStart;
    const cut = end - start - 1 > MAX_LINE_BYTES;
    this.#held = [];
    this.#heldBytes = 0;
    this.#lineStart = end;
    return { bytes: bytes.subarray(0, MAX_LINE_BYTES), start, end, cut };
  }

  /** Copies, since the chunk is a buffer that is read into again. */
  #hold(bytes: Buffer): void {
    const room = MAX_LINE_BYTES - this.#heldBytes;
    if (bytes.length === 0 || room <= 0) return;
    const kept = Buffer.from(bytes.subarray(0, room));
    this.#held.push(kept);
    this.#heldBytes += kept.length;
  }
}
