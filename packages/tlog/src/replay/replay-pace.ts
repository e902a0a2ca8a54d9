import { pause } from '@salvor/service-kit';

/**
 * When bytes may pass, where `last` is when the ones before them did. Milliseconds of one clock. They are waited for beforehand,
 * so that a process that is started again and again passes no more than others. Pure.
 */
export function decidePace(
  { last, now }: { readonly last: number; readonly now: number },
  bytes: number,
  bytesPerSecond: number,
): number {
  return Math.max(now, last) + (bytes * 1_000) / bytesPerSecond;
}

/** Keeps what all replays of a process bring back, or read again, to so many bytes a second. */
export class ReplayPace {
  readonly #bytesPerSecond: number;
  #last = 0;

  /** @param bytesPerSecond above 0 */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Rejects when the signal is aborted. */
  async wait(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#last = decidePace({ last: this.#last, now }, bytes, this.#bytesPerSecond);
    await pause(this.#last - now, signal);
  }
}
