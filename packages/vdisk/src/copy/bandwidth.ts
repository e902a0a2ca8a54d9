import { pause } from '@salvor/service-kit';

/** Work that was not done for so long is not made up for: an idle time buys no burst above it. */
const BURST_MS = 100;

/** How many bytes a second background work may move; one for all vdisks of a process. 0 = as many as go. */
export class Bandwidth {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  /** When all that was granted is paid for, on the clock of `now`. */
  #paidAt = Number.NEGATIVE_INFINITY;

  constructor(mebibytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerMs = (mebibytesPerSecond * (1 << 20)) / 1_000;
    this.#now = now;
  }

  /** Takes the bytes; returns how long to wait before they are moved, in milliseconds. */
  grant(bytes: number): number {
    if (this.#bytesPerMs === 0) return 0;
    const now = this.#now();
    const from = Math.max(this.#paidAt, now - BURST_MS);
    this.#paidAt = from + bytes / this.#bytesPerMs;
    return Math.max(0, from - now);
  }

  /** Resolves when the bytes may be moved. Asked before any block is locked: no client waits for bandwidth. */
  async take(bytes: number): Promise<void> {
    const waitMs = this.grant(bytes);
    if (waitMs > 0) await pause(waitMs);
  }
}
