import type { Lease } from '@salvor/config-store';
import { errno, VdiskIoError } from './errors.ts';
import type { Serving } from './serving.ts';

/** One shard of a request, as far as the guard needs it. */
export interface GuardedShard {
  /** Asks the engines whether the shard may be served although the lease is not valid. */
  confirm(): Promise<Serving>;
}

/** Tells whether a request may be answered, and waits where that is in doubt. */
export interface OwnerGuard {
  /** Whether {@link assertOwner} would resolve at once. */
  isOwner(): boolean;
  /** Resolves when a request to these shards may be answered; rejects with VdiskIoError when it may not within a bound. */
  assertOwner(shards: readonly GuardedShard[]): Promise<void>;
}

/** How long before its possible expiry a lease no longer counts: covers the time between the check and the answer. */
const LEASE_MARGIN_MS = 250;
/** How often a request that waits for the ownership looks again. */
const LOOK_AGAIN_MS = 100;

/** Tells whether this process may answer for a vdisk: its lease cannot have expired, or the engines prove that nobody took over. */
export class LeaseGuard implements OwnerGuard {
  readonly #vdisk: string;
  readonly #waitMaxMs: number;
  #lease: Lease;
  #lost: string | null = null;
  #waiting: (() => void)[] = [];

  constructor(lease: Lease, vdisk: string, waitMaxMs: number) {
    this.#vdisk = vdisk;
    this.#waitMaxMs = waitMaxMs;
    this.#lease = lease;
    lease.onRestored(() => this.#wake());
  }

  /** From now on this lease counts. */
  renew(lease: Lease): void {
    this.#lease = lease;
    lease.onRestored(() => this.#wake());
    this.#wake();
  }

  /** Ends it: everything that waits, and everything to come, is refused. */
  lose(reason: string): void {
    this.#lost ??= reason;
    this.#wake();
  }

  /** Whether the lease is certainly valid. */
  isOwner(): boolean {
    return this.#lost === null && this.#lease.isValid(LEASE_MARGIN_MS);
  }

  /**
   * Resolves when the lease is certainly valid.
   *
   * @throws VdiskIoError when it is not within the bound, or is lost
   */
  leaseHeld(): Promise<void> {
    return this.#await(async () => 'the ownership is not confirmed by etcd');
  }

  /**
   * Resolves when a request to these shards may be answered.
   *
   * @throws VdiskIoError when it may not within the bound, or the ownership is lost
   */
  assertOwner(shards: readonly GuardedShard[]): Promise<void> {
    return this.#await(async () => {
      const answers = await Promise.all(shards.map((shard) => shard.confirm()));
      return answers.find(({ kind }) => kind === 'stop')?.reason ?? null;
    });
  }

  /** `hindrance` is asked as long as the lease is not valid; null lets pass. */
  async #await(hindrance: () => Promise<string | null>): Promise<void> {
    const giveUpAt = performance.now() + this.#waitMaxMs;
    for (;;) {
      this.#throwIfLost();
      if (this.isOwner()) return;
      const reason = await hindrance();
      this.#throwIfLost();
      if (reason === null || this.isOwner()) return;
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0) {
        const what = `${reason}; gave up after ${this.#waitMaxMs} ms`;
        throw new VdiskIoError('ownership-in-doubt', `vdisk ${this.#vdisk}: ${what}`, errno.io);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, LOOK_AGAIN_MS));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #throwIfLost(): void {
    if (this.#lost === null) return;
    throw new VdiskIoError('ownership-lost', `vdisk ${this.#vdisk}: ${this.#lost}`, errno.shutdown);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
