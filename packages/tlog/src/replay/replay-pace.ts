import { pause } from '@salvor/service-kit';

/** When bytes may pass, and from when on the next ones may. Milliseconds of one clock. Pure. */
export function decidePace(
  { freeAt, now }: { readonly freeAt: number; readonly now: number },
  bytes: number,
  bytesPerSecond: number,
): { readonly at: number; readonly freeAt: number } {
  const at = Math.max(now, freeAt);
  return { at, freeAt: at + (bytes * 1_000) / bytesPerSecond };
}

/** Keeps what all replays of a process bring back, or read again, to so many bytes a second. */
export class ReplayPace {
  readonly #bytesPerSecond: number;
  #freeAt = 0;

  /** @param bytesPerSecond above 0 */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Rejects when the signal is aborted. */
  async wait(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const { at, freeAt } = decidePace({ freeAt: this.#freeAt, now }, bytes, this.#bytesPerSecond);
    this.#freeAt = freeAt;
    if (at > now) await pause(at - now, signal);
  }
}
