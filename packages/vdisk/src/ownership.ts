import {
  type ConfigStore,
  formatRecord,
  type Lease,
  type OwnerRecord,
  ownerKey,
  ownerSchema,
  parseRecord,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { errno, VdiskIoError } from './errors.ts';
import type { OwnerGuard } from './vdisk.ts';

/** Who takes a vdisk: `server` is the configured name, `instance` is one run of it. */
export interface OwnerIdentity {
  readonly server: string;
  readonly instance: string;
}

/** Another server owns the vdisk. */
export class OwnedElsewhereError extends SalvorError {
  constructor(vdisk: string, owner: OwnerRecord) {
    super(
      'owned-elsewhere',
      `vdisk ${vdisk} is owned by server ${owner.server} since ${new Date(owner.since).toISOString()}`,
    );
  }
}

/** Rounds of taking the key while others come and go. */
const TAKE_ROUNDS_MAX = 8;

/**
 * Takes the owner key of a vdisk under a lease. The epoch is the key's create revision, so it rises with every new owner.
 * A server that was restarted takes over from its own earlier run at once: the fence on the engines makes that safe.
 *
 * @returns the epoch, a decimal string
 * @throws OwnedElsewhereError when another server owns it
 */
export async function takeOwnership(
  store: ConfigStore,
  lease: Lease,
  vdisk: string,
  who: OwnerIdentity,
): Promise<string> {
  const key = ownerKey(vdisk);
  for (let round = 0; round < TAKE_ROUNDS_MAX; round++) {
    const held = await store.get(key);
    if (held !== null) {
      const owner = parseRecord(ownerSchema, key, held.value);
      if (owner.server !== who.server) throw new OwnedElsewhereError(vdisk, owner);
      const ended = await store.transact({ compare: [{ key, revision: held.revision }], deletes: [key] });
      if (!ended.ok) continue;
    }
    const value = formatRecord(ownerSchema, key, { ...who, since: Date.now() });
    const taken = await store.transact({
      compare: [{ key, revision: 'absent' }],
      puts: [{ key, value, lease: lease.id }],
    });
    if (taken.ok) return taken.revision;
  }
  throw new SalvorError(
    'owner-contended',
    `vdisk ${vdisk}: the owner key changed ${TAKE_ROUNDS_MAX} times while it was being taken`,
  );
}

/** How long before its possible expiry a lease no longer counts: covers the time between the check and the answer. */
const LEASE_MARGIN_MS = 250;

/** Answers whether we may still serve: the lease cannot have expired, and nobody has taken the key. */
export class LeaseGuard implements OwnerGuard {
  readonly #lease: Lease;
  readonly #vdisk: string;
  readonly #waitMaxMs: number;
  #lost: string | null = null;
  #waiting: (() => void)[] = [];

  constructor(lease: Lease, vdisk: string, waitMaxMs: number) {
    this.#lease = lease;
    this.#vdisk = vdisk;
    this.#waitMaxMs = waitMaxMs;
    lease.onRestored(() => this.#wake());
    lease.onLost((reason) => this.lose(reason));
  }

  lose(reason: string): void {
    this.#lost ??= reason;
    this.#wake();
  }

  isOwner(): boolean {
    return this.#lost === null && this.#lease.isValid(LEASE_MARGIN_MS);
  }

  async assertOwner(): Promise<void> {
    const giveUpAt = performance.now() + this.#waitMaxMs;
    for (;;) {
      if (this.#lost !== null)
        throw new VdiskIoError('ownership-lost', `vdisk ${this.#vdisk}: ${this.#lost}`, errno.shutdown);
      if (this.#lease.isValid(LEASE_MARGIN_MS)) return;
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0) {
        const what = `the ownership could not be confirmed in etcd for ${this.#waitMaxMs} ms`;
        throw new VdiskIoError('ownership-in-doubt', `vdisk ${this.#vdisk}: ${what}`, errno.io);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 100));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
