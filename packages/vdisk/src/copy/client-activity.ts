/** A client that asked for nothing in so long is no longer there, in milliseconds. */
const IDLE_AFTER_MS = 50;

/** Whether clients of this process are at work. Background work gives way to those of every vdisk: they share the CPU. */
export class ClientActivity {
  #count = 0;
  #seen = 0;
  #seenAt = Number.NEGATIVE_INFINITY;

  /** A client's request has come. On the hot path: nothing but a count. */
  note(): void {
    this.#count++;
  }

  /** Whether there was a request lately; to be asked more often than that. */
  isBusy(now: number = performance.now()): boolean {
    if (this.#count !== this.#seen) {
      this.#seen = this.#count;
      this.#seenAt = now;
    }
    return now - this.#seenAt < IDLE_AFTER_MS;
  }
}

export const clientActivity = new ClientActivity();
