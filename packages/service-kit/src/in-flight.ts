import { DeadlineError } from './deadline.ts';

/** Work under way, so that a shutdown can wait for it. */
export class InFlight {
  readonly #running = new Set<Promise<unknown>>();

  get count(): number {
    return this.#running.size;
  }

  track<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => {
      this.#running.delete(work);
    };
    this.#running.add(work);
    work.then(forget, forget);
    return work;
  }

  /** Waits until nothing is under way. Rejects with {@link DeadlineError} after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const giveUpAt = performance.now() + timeoutMs;
    while (this.#running.size > 0) {
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0) throw new DeadlineError(`the end of ${this.#running.size} tasks`, timeoutMs);
      let timer: NodeJS.Timeout | undefined;
      const expired = new Promise((resolve) => {
        timer = setTimeout(resolve, leftMs);
      });
      await Promise.race([Promise.allSettled(this.#running), expired]);
      clearTimeout(timer);
    }
  }
}
