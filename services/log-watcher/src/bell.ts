import { pause } from '@salvor/service-kit';

/** Wakes those who wait for "something may have changed". A ring while nobody waits is remembered. */
export class Bell {
  #rung = false;
  #waiters: (() => void)[] = [];

  ring(): void {
    this.#rung = true;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Resolves at a ring, when the signal aborts, or after `timeoutMs`. */
  async wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.#rung && signal?.aborted !== true) {
      const woken = new AbortController();
      const wake = (): void => woken.abort();
      this.#waiters.push(wake);
      signal?.addEventListener('abort', wake, { once: true });
      await pause(timeoutMs, woken.signal);
      signal?.removeEventListener('abort', wake);
      this.#waiters = this.#waiters.filter((waiter) => waiter !== wake);
    }
    this.#rung = false;
  }
}
