const NONE: readonly number[] = [];

/** Blocks that are wanted from one engine, and where their content goes. */
export class ReadPart {
  readonly blocks: readonly number[];
  readonly into: Buffer;
  /** How many of the blocks are stored; the others are holes, and read as zeros. */
  storedCount = 0;
  /** Places in {@link blocks} of those that do not match their checksum: their bytes are not in place. */
  corrupt: readonly number[] = NONE;
  /** Byte of `into` at which each block begins, when they do not follow each other. */
  readonly #places: readonly number[] | null;
  readonly #blockSizeBytes: number;
  readonly #stored: boolean[] | null;

  /** @param notes whether to remember which of the blocks are stored, for {@link isStored} */
  constructor(
    blocks: readonly number[],
    into: Buffer,
    blockSizeBytes: number,
    places: readonly number[] | null = null,
    notes = false,
  ) {
    this.blocks = blocks;
    this.into = into;
    this.#blockSizeBytes = blockSizeBytes;
    this.#places = places;
    this.#stored = notes ? [] : null;
  }

  placeOf(index: number): number {
    return this.#places?.[index] ?? index * this.#blockSizeBytes;
  }

  noteStored(index: number): void {
    this.storedCount++;
    if (this.#stored !== null) this.#stored[index] = true;
  }

  /** Puts a block in its place that was noted as corrupt; null = zeros. */
  put(index: number, data: Buffer | null): void {
    const at = this.placeOf(index);
    if (data === null) this.into.fill(0, at, at + this.#blockSizeBytes);
    else {
      data.copy(this.into, at);
      this.noteStored(index);
    }
  }

  noteCorrupt(index: number): void {
    this.corrupt = [...this.corrupt, index];
  }

  isStored(index: number): boolean {
    return this.#stored?.[index] === true;
  }

  /** Before it is asked for again, of another engine. */
  reset(): void {
    this.storedCount = 0;
    this.corrupt = NONE;
    if (this.#stored !== null) this.#stored.length = 0;
  }
}
