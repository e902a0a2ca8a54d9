/** How long both members of a pair must have been left alone before one of them may lose data: their users know by then. */
const QUIET_MS = 4_000;

interface PairState {
  /** Faults under way that take nothing away for good. */
  shared: number;
  exclusive: boolean;
  disturbedUntilMs: number;
}

/**
 * Keeps a plan within what may be asked: an engine loses data only while its partner has everything, and nothing befalls
 * the partner before the two are whole again. All times are `performance.now()` milliseconds.
 */
export class PairGuards {
  readonly #pairs = new Map<number, PairState>();

  /** Begins a fault after which the engine has all its data; false while the partner is the only one that does. */
  share(shard: number): boolean {
    const pair = this.#pair(shard);
    if (pair.exclusive) return false;
    pair.shared++;
    return true;
  }

  unshare(shard: number, nowMs: number): void {
    const pair = this.#pair(shard);
    pair.shared--;
    pair.disturbedUntilMs = Math.max(pair.disturbedUntilMs, nowMs);
  }

  /** Begins a fault that takes data away; false when the pair was disturbed a short while ago, or still is. */
  exclude(shard: number, nowMs: number): boolean {
    const pair = this.#pair(shard);
    if (pair.exclusive || pair.shared > 0 || nowMs - pair.disturbedUntilMs < QUIET_MS) return false;
    pair.exclusive = true;
    return true;
  }

  /** The pair is whole again, or the fault did not take place. */
  readmit(shard: number, disturbedUntilMs: number): void {
    const pair = this.#pair(shard);
    pair.exclusive = false;
    pair.disturbedUntilMs = Math.max(pair.disturbedUntilMs, disturbedUntilMs);
  }

  /** A fault of something that pairs depend on ended now. */
  disturbAll(nowMs: number): void {
    for (const pair of this.#pairs.values()) pair.disturbedUntilMs = Math.max(pair.disturbedUntilMs, nowMs);
  }

  #pair(shard: number): PairState {
    const known = this.#pairs.get(shard);
    if (known !== undefined) return known;
    const pair = { shared: 0, exclusive: false, disturbedUntilMs: Number.NEGATIVE_INFINITY };
    this.#pairs.set(shard, pair);
    return pair;
  }
}
