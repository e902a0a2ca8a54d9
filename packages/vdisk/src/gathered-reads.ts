/** Waits for the values of its blocks; `from` is their place among the gathered ones. */
interface Waiting {
  readonly from: number;
  readonly count: number;
  readonly resolve: (found: (Buffer | null)[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers the reads of one turn of the event loop into one request to the engine: the epoch is asked for once, and the
 * engine is woken once, however many requests came in together.
 */
export class GatheredReads {
  readonly #fetch: (blocks: readonly number[]) => Promise<(Buffer | null)[]>;
  #blocks: number[] = [];
  #waiting: Waiting[] = [];

  constructor(fetch: (blocks: readonly number[]) => Promise<(Buffer | null)[]>) {
    this.#fetch = fetch;
  }

  read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    return new Promise((resolve, reject) => {
      // The queue of ticks runs behind the microtasks of this event: by then every request of it has arrived.
      if (this.#waiting.length === 0) process.nextTick(() => this.#flush());
      this.#waiting.push({ from: this.#blocks.length, count: blocks.length, resolve, reject });
      for (const block of blocks) this.#blocks.push(block);
    });
  }

  #flush(): void {
    const [blocks, waiting] = [this.#blocks, this.#waiting];
    this.#blocks = [];
    this.#waiting = [];
    this.#fetch(blocks).then(
      (found) => {
        for (const { from, count, resolve } of waiting)
          resolve(count === found.length ? found : found.slice(from, from + count));
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
