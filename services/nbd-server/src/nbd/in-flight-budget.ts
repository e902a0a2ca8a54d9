/** One connection, as the budget sees it. */
export interface BudgetHolder {
  /** The bytes this holder waited for are now its own, to be used or given back. */
  granted(bytes: number): void;
  /** How long the client has kept bytes of the budget from moving on: by a half-sent payload or unread replies. */
  stalledForMs(nowMs: number): number;
  /** The client stands in the way of others: let go of everything. */
  cut(reason: string): void;
}

const stallCheckIntervalMs = 1_000;

/**
 * Bounds the payload bytes in flight over all connections. Who does not fit waits in line; while somebody waits,
 * clients that stalled longer than `stallTimeoutMs` are cut, so that they cannot hold the budget for ever.
 */
export class InFlightBudget {
  readonly #maxBytes: number;
  readonly #stallTimeoutMs: number;
  readonly #holders = new Set<BudgetHolder>();
  readonly #waiting = new Map<BudgetHolder, number>();
  #usedBytes = 0;
  #stallCheck: NodeJS.Timeout | undefined;

  constructor(maxBytes: number, stallTimeoutMs: number) {
    this.#maxBytes = maxBytes;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  join(holder: BudgetHolder): void {
    this.#holders.add(holder);
  }

  /** The holder must have given back its bytes, or give them back later. */
  leave(holder: BudgetHolder): void {
    this.#holders.delete(holder);
    this.#waiting.delete(holder);
    this.#serveWaiting();
  }

  /** True when the bytes are taken; otherwise the holder stands in line for them and `granted` will be called. */
  take(holder: BudgetHolder, bytes: number): boolean {
    if (bytes === 0) return true;
    if (this.#waiting.size === 0 && this.#usedBytes + bytes <= this.#maxBytes) {
      this.#usedBytes += bytes;
      return true;
    }
    this.#waiting.set(holder, bytes);
    this.#stallCheck ??= setInterval(() => this.#cutStalled(), stallCheckIntervalMs).unref();
    return false;
  }

  /** Takes bytes that were promised to the holder: they count, and they are never refused. */
  takeGuaranteed(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    if (bytes === 0) return;
    this.#usedBytes -= bytes;
    this.#serveWaiting();
  }

  #serveWaiting(): void {
    for (const [holder, bytes] of this.#waiting) {
      if (this.#usedBytes + bytes > this.#maxBytes) return;
      this.#waiting.delete(holder);
      this.#usedBytes += bytes;
      holder.granted(bytes);
    }
    if (this.#waiting.size > 0) return; // granted() may have put somebody in line again
    clearInterval(this.#stallCheck);
    this.#stallCheck = undefined;
  }

  #cutStalled(): void {
    const nowMs = performance.now();
    for (const holder of this.#holders) {
      const stalledMs = holder.stalledForMs(nowMs);
      if (stalledMs > this.#stallTimeoutMs) {
        holder.cut(`stalled for ${Math.round(stalledMs)} ms while other clients wait for memory`);
      }
    }
  }
}
