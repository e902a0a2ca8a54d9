import { type ConfigStore, type Lease, StoreError } from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import type { LeaseGuard } from './lease-guard.ts';
import { type OwnerIdentity, takeOwnership } from './ownership.ts';
import { decideOwnershipEnd } from './ownership-end.ts';
import type { Serving } from './serving.ts';

export interface HeldOwnershipOptions {
  readonly store: ConfigStore;
  readonly owner: OwnerIdentity;
  readonly log: Logger;
  readonly vdisk: string;
  /** Create revision of the owner key, which is under `lease`. */
  readonly epoch: string;
  readonly lease: Lease;
  readonly ttlSeconds: number;
  readonly guard: LeaseGuard;
  /** Rejects when something was begun with the vdisk that excludes this owner. */
  readonly allowed: () => Promise<void>;
  /** Asks the engines whether the whole vdisk may be served although the lease is not valid. */
  readonly confirm: () => Promise<Serving>;
  /** The ownership is certain again: what etcd says may be looked at anew. */
  readonly changed: () => void;
  readonly lost: (reason: string) => void;
}

/** How long an etcd that went away again is left alone. */
const RETAKE_RETRY_MS = 500;

/** The ownership of a mounted vdisk: the lease, the owner key under it, and taking it again when it ran out unnoticed by anybody. */
export class HeldOwnership {
  readonly #options: HeldOwnershipOptions;
  #lease: Lease;
  /** The lease was not confirmed in time, and etcd has not said yet what became of it. */
  #isInDoubt = false;
  #isRetaking = false;
  #isOver = false;
  #revision: string;
  /** What is watched may lag behind what was just written: false from the taking again until it shows that key. */
  #isOwnKeySeen = true;

  constructor(options: HeldOwnershipOptions) {
    this.#options = options;
    this.#lease = options.lease;
    this.#revision = options.epoch;
    this.#follow(options.lease);
  }

  /** Create revision of the owner key: the epoch, unless the key had to be taken again. */
  get revision(): string {
    return this.#revision;
  }

  /** Why the ownership ended, when etcd shows this owner key (its create revision, null when there is none). */
  endedBy(seen: string | null): string | null {
    const ended = decideOwnershipEnd({
      seen,
      own: this.#revision,
      isInDoubt: this.#isInDoubt,
      isRetaking: this.#isRetaking,
      isOwnKeySeen: this.#isOwnKeySeen,
    });
    if (seen === this.#revision && !this.#isRetaking) this.#isOwnKeySeen = true;
    return ended;
  }

  /** Leaves the lease to expire. */
  release(): void {
    this.#isOver = true;
    this.#lease.release();
  }

  /** Gives the vdisk back to whoever wants it next. */
  async giveBack(): Promise<void> {
    const { log, vdisk } = this.#options;
    this.#isOver = true;
    await this.#lease.revoke().catch((error: unknown) => {
      log.warn({ vdisk, error: String(error) }, 'the owner lease was left to expire');
      this.#lease.release();
    });
  }

  #follow(lease: Lease): void {
    const { changed, lost } = this.#options;
    lease.onDoubt(() => {
      this.#isInDoubt = true;
    });
    lease.onRestored(() => {
      this.#isInDoubt = false;
      changed();
    });
    lease.onLost((reason) => {
      const gone = `the lease is gone: ${reason}`;
      // Revoked under a live owner it was meant to let go; what ran out while etcd or this process was away may be taken again.
      if (this.#isInDoubt) void this.#retake(gone);
      else lost(gone);
    });
  }

  /**
   * Takes a vdisk again whose lease ran out, without its clients noticing, when nobody had it in between: nobody has it now,
   * and every engine that a new owner must have raised still has our epoch, on a link that was up all the time. So the
   * fence stays as it is.
   */
  async #retake(gone: string): Promise<void> {
    this.#isRetaking = true;
    while (!this.#isOver) {
      try {
        await this.#takeOnce();
        break;
      } catch (error) {
        if (error instanceof StoreError && error.code === 'store-unavailable') {
          await pause(RETAKE_RETRY_MS);
          continue;
        }
        this.#options.lost(`${gone}; it was not taken again: ${messageOf(error)}`);
      }
    }
    this.#isRetaking = false;
    this.#options.changed();
  }

  async #takeOnce(): Promise<void> {
    const { store, owner, vdisk, epoch, ttlSeconds, guard, allowed, confirm, log } = this.#options;
    const lease = await store.grantLease(ttlSeconds);
    try {
      const revision = await takeOwnership(store, lease, vdisk, owner, { isFree: true });
      if (BigInt(revision) <= BigInt(epoch))
        throw new Error(`etcd is at revision ${revision}, which is not after our epoch ${epoch}`);
      // Nothing that excludes it can begin any more now that it is owned; what began before need not have reached the engines.
      await allowed();
      const { kind, reason } = await confirm();
      if (kind === 'stop') throw new Error(reason);
      if (this.#isOver) throw new Error('it was unmounted');
      this.#revision = revision;
      this.#isOwnKeySeen = false;
      this.#lease = lease;
      this.#isInDoubt = false;
      this.#follow(lease);
      guard.renew(lease);
      log.info({ vdisk, epoch, revision }, 'took the vdisk again: nobody had it in between');
    } catch (error) {
      await lease.revoke().catch(() => lease.release());
      throw error;
    }
  }
}
