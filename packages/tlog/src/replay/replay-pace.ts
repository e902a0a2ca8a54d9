import { pause } from '@salvor/service-kit';
import { decidePace } from './pace-decision.ts';

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
