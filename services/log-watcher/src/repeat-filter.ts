const MAX_KEYS = 1_024;

/** Tells whether something was seen a short while ago. Remembers at most 1024 keys, the latest. */
export class RepeatFilter {
  readonly #windowMs: number;
  readonly #firstSeenAt = new Map<string, number>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /**
   * Whether this key was let through within the window before `now`. The window starts at the first of the repeats, so
   * that a failure that goes on is reported again.
   */
  isRepeat(key: string, now: number): boolean {
    const seenAt = this.#firstSeenAt.get(key);
    if (seenAt !== undefined && now >= seenAt && now - seenAt < this.#windowMs) return true;
    this.#firstSeenAt.delete(key);
    this.#firstSeenAt.set(key, now);
    const [oldest] = this.#firstSeenAt.keys();
    if (this.#firstSeenAt.size > MAX_KEYS && oldest !== undefined) this.#firstSeenAt.delete(oldest);
    return false;
  }
}
