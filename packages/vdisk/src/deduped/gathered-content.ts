import type { Pair } from '../pair.ts';

interface Waiting {
  readonly hash: Buffer;
  readonly resolve: (content: Buffer | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Contents asked for with one command: long enough to amortise it, short enough not to stall the engine. */
const READ_RUN = 64;

/** Gathers what one turn of the event loop asks of a pair into one request. */
export class GatheredContent {
  readonly #waiting = new Map<Pair, Waiting[]>();

  /** Null = the engines do not have it. Rejects as a read of the pair does. */
  read(pair: Pair, hash: Buffer): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(pair);
      if (waiting !== undefined) {
        waiting.push({ hash, resolve, reject });
        return;
      }
      this.#waiting.set(pair, [{ hash, resolve, reject }]);
      // The queue of ticks runs behind the microtasks of this event: by then every request of it has arrived.
      process.nextTick(() => this.#flush(pair));
    });
  }

  #flush(pair: Pair): void {
    const waiting = this.#waiting.get(pair) ?? [];
    this.#waiting.delete(pair);
    readContent(
      pair,
      waiting.map(({ hash }) => hash),
    ).then(
      (found) => {
        for (const [i, { resolve }] of waiting.entries()) resolve(found[i] ?? null);
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}

async function readContent(pair: Pair, hashes: readonly Buffer[]): Promise<(Buffer | null)[]> {
  const replies = await pair.query((frame) => {
    for (let from = 0; from < hashes.length; from += READ_RUN)
      frame.command('MGET', ...hashes.slice(from, from + READ_RUN));
  });
  return replies
    .flatMap((reply) => (Array.isArray(reply) ? reply : []))
    .map((value) => (Buffer.isBuffer(value) ? value : null));
}
