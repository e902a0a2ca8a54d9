/** A lease with its own keep-alive loop. What it promises is counted from when a keep-alive was sent, never received. */
import { StoreError } from './errors.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { keepAlive } from './keep-alives.ts';
import type { Lease, LeaseState, StoreLog } from './types.ts';

const KEEP_ALIVES_PER_TTL = 3;
const MIN_ATTEMPT_MS = 250;
const MAX_ATTEMPT_MS = 1_500;
const RETRY_DELAY_MS = 100;
/** Leases are renewed at multiples of this, so that many go in one call. */
const TICK_MS = 250;

/** `onEnd` is called once, when the lease is lost, revoked or released. */
export async function grantLease(
  etcd: EtcdCalls,
  ttlSeconds: number,
  log: StoreLog,
  onEnd: (lease: Lease) => void = () => {},
): Promise<Lease> {
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new StoreError(
      'store-refused',
      `grant of a lease: expected whole seconds of at least 1, found ${ttlSeconds}`,
    );
  }
  let sentAtMs = 0;
  const granted = await etcd.call('grant of a lease', (options) => {
    sentAtMs = performance.now();
    return etcd.lease.leaseGrant({ TTL: ttlSeconds }, options);
  });
  const lease = new KeptLease(etcd, granted.ID, Number(granted.TTL) * 1_000, sentAtMs, log, onEnd);
  lease.start();
  return lease;
}

class KeptLease implements Lease {
  readonly id: string;
  readonly ttlMs: number;
  readonly #etcd: EtcdCalls;
  readonly #log: StoreLog;
  readonly #onEnd: (lease: Lease) => void;
  readonly #doubtListeners: (() => void)[] = [];
  readonly #restoredListeners: (() => void)[] = [];
  readonly #lostListeners: ((reason: string) => void)[] = [];
  #state: LeaseState = 'valid';
  #validUntilMs: number;
  #nextAttempt: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;

  constructor(
    etcd: EtcdCalls,
    id: string,
    ttlMs: number,
    sentAtMs: number,
    log: StoreLog,
    onEnd: (lease: Lease) => void,
  ) {
    this.#etcd = etcd;
    this.id = id;
    this.ttlMs = ttlMs;
    this.#validUntilMs = sentAtMs + ttlMs;
    this.#log = log;
    this.#onEnd = onEnd;
  }

  start(): void {
    this.#watchExpiry();
    this.#scheduleNext(performance.now());
  }

  state(): LeaseState {
    // The timer may be late on a busy event loop: the clock decides.
    if (this.#state === 'valid' && performance.now() >= this.#validUntilMs) return 'doubt';
    return this.#state;
  }

  validUntilMs(): number {
    return this.#validUntilMs;
  }

  isValid(marginMs = 0): boolean {
    return this.#state === 'valid' && performance.now() + marginMs < this.#validUntilMs;
  }

  onDoubt(listener: () => void): void {
    this.#doubtListeners.push(listener);
  }

  onRestored(listener: () => void): void {
    this.#restoredListeners.push(listener);
  }

  onLost(listener: (reason: string) => void): void {
    this.#lostListeners.push(listener);
  }

  async revoke(): Promise<void> {
    const wasLost = this.#state === 'lost';
    this.release();
    if (wasLost) return;
    try {
      await this.#etcd.call(`revocation of lease ${this.id}`, (options) =>
        this.#etcd.lease.leaseRevoke({ ID: this.id }, options),
      );
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'lease-lost')) throw error;
    }
  }

  release(): void {
    if (this.#state === 'lost') return;
    this.#end('closed');
  }

  #end(state: 'lost' | 'closed'): void {
    this.#state = state;
    this.#validUntilMs = Math.min(this.#validUntilMs, performance.now());
    clearTimeout(this.#nextAttempt);
    clearTimeout(this.#expiry);
    this.#onEnd(this);
  }

  #isOver(): boolean {
    return this.#state === 'lost' || this.#state === 'closed';
  }

  #schedule(delayMs: number): void {
    this.#nextAttempt = setTimeout(() => void this.#keepAlive(), Math.max(delayMs, 0));
  }

  /** At a tick of the clock before the next keep-alive is due, which leases share. */
  #scheduleNext(lastMs: number): void {
    const nowMs = performance.now();
    const dueMs = lastMs + this.ttlMs / KEEP_ALIVES_PER_TTL;
    const tickMs = Math.floor(dueMs / TICK_MS) * TICK_MS;
    this.#schedule((tickMs > nowMs ? tickMs : dueMs) - nowMs);
  }

  async #keepAlive(): Promise<void> {
    const sentAtMs = performance.now();
    const ttlMs = await this.#renew().catch((error: unknown) => {
      this.#log.warn({ lease: this.id, error: String(error) }, 'lease keep-alive failed');
      return null;
    });
    if (this.#isOver()) return;
    if (ttlMs === null) {
      this.#schedule(RETRY_DELAY_MS);
    } else if (ttlMs <= 0) {
      this.#end('lost');
      this.#notify(this.#lostListeners, `etcd no longer holds lease ${this.id}`);
    } else {
      this.#confirm(sentAtMs + ttlMs);
      this.#scheduleNext(sentAtMs);
    }
  }

  #renew(): Promise<number> {
    const share = this.ttlMs / KEEP_ALIVES_PER_TTL;
    return keepAlive(this.#etcd, this.id, Math.min(Math.max(share, MIN_ATTEMPT_MS), MAX_ATTEMPT_MS));
  }

  #confirm(validUntilMs: number): void {
    this.#validUntilMs = Math.max(this.#validUntilMs, validUntilMs);
    const restored = this.#state === 'doubt' && performance.now() < this.#validUntilMs;
    if (restored) this.#state = 'valid';
    this.#watchExpiry();
    if (restored) this.#notify(this.#restoredListeners);
  }

  #watchExpiry(): void {
    clearTimeout(this.#expiry);
    if (this.#state !== 'valid') return;
    this.#expiry = setTimeout(
      () => {
        if (this.#state !== 'valid') return;
        if (performance.now() < this.#validUntilMs) return this.#watchExpiry();
        this.#state = 'doubt';
        this.#notify(this.#doubtListeners);
      },
      Math.max(this.#validUntilMs - performance.now(), 0),
    );
  }

  #notify<A extends unknown[]>(listeners: readonly ((...args: A) => void)[], ...args: A): void {
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        this.#log.warn({ lease: this.id, error: String(error) }, 'lease listener failed');
      }
    }
  }
}
