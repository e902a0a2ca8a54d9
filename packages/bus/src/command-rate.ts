/** How many commands a second are taken; 0 = no limit. */
export interface CommandLimits {
  /** By one instance of a service, of all callers. */
  readonly perSecond: number;
  /** Of one caller. */
  readonly perCaller: number;
}

export interface TooMany {
  readonly of: 'service' | 'caller';
  /** What was exceeded, a second. */
  readonly limit: number;
  readonly retryAfterMs: number;
}

/** So many seconds' worth may come at once. */
const BURST_SECONDS = 2;
/** Callers that are remembered; a caller that is forgotten begins anew. */
const CALLERS_MAX = 1_024;

/** Commands that may still be given, as of a moment. */
interface Bucket {
  left: number;
  atMs: number;
}

/** Decides which commands are taken, by token buckets: one of the service, and one of each caller. */
export class CommandRate {
  readonly #limits: CommandLimits;
  readonly #all: Bucket;
  readonly #callers = new Map<string, Bucket>();

  constructor(limits: CommandLimits) {
    this.#limits = limits;
    this.#all = { left: limits.perSecond * BURST_SECONDS, atMs: 0 };
  }

  /** How many callers are remembered. */
  get callers(): number {
    return this.#callers.size;
  }

  /** Null: taken. What is refused counts for nobody. @param nowMs of a clock that does not go back */
  take(caller: string, nowMs: number): TooMany | null {
    const { perSecond, perCaller } = this.#limits;
    const own = perCaller === 0 ? null : this.#bucketOf(caller, nowMs);
    if (own !== null) {
      fill(own, perCaller, nowMs);
      if (own.left < 1) return { of: 'caller', limit: perCaller, retryAfterMs: waitMs(own, perCaller) };
    }
    if (perSecond > 0) {
      fill(this.#all, perSecond, nowMs);
      if (this.#all.left < 1)
        return { of: 'service', limit: perSecond, retryAfterMs: waitMs(this.#all, perSecond) };
      this.#all.left--;
    }
    if (own !== null) own.left--;
    return null;
  }

  /** The one that was heard of longest ago makes room. */
  #bucketOf(caller: string, nowMs: number): Bucket {
    const known = this.#callers.get(caller);
    const bucket = known ?? { left: this.#limits.perCaller * BURST_SECONDS, atMs: nowMs };
    if (known !== undefined) this.#callers.delete(caller);
    else if (this.#callers.size >= CALLERS_MAX) {
      const [oldest] = this.#callers.keys();
      if (oldest !== undefined) this.#callers.delete(oldest);
    }
    this.#callers.set(caller, bucket);
    return bucket;
  }
}

function fill(bucket: Bucket, perSecond: number, nowMs: number): void {
  const gained = (Math.max(0, nowMs - bucket.atMs) / 1_000) * perSecond;
  bucket.left = Math.min(perSecond * BURST_SECONDS, bucket.left + gained);
  bucket.atMs = Math.max(bucket.atMs, nowMs);
}

function waitMs({ left }: Bucket, perSecond: number): number {
  return Math.ceil(((1 - left) / perSecond) * 1_000);
}
