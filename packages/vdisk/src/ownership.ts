import {
  type ConfigStore,
  formatRecord,
  type Lease,
  type OwnerRecord,
  ownerKey,
  ownerSchema,
  parseRecord,
  takeoverKey,
  takeoverSchema,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { decideOwnerStep } from './owner-step.ts';

/** Who takes a vdisk: `server` is the configured name, `instance` is one run of it. */
export interface OwnerIdentity {
  readonly server: string;
  readonly instance: string;
  /** What it is owned for, where that is not clients: it is given back when the operation has ended. */
  readonly operation?: string;
}

/** Another server owns the vdisk. */
export class OwnedElsewhereError extends SalvorError {
  /** Whether it is owned for an operation, not for clients. */
  readonly isForOperation: boolean;

  constructor(vdisk: string, owner: OwnerRecord) {
    super(
      'owned-elsewhere',
      `vdisk ${vdisk} is owned by server ${owner.server} since ${new Date(owner.since).toISOString()}`,
    );
    this.isForOperation = owner.operation !== undefined;
  }
}

/** Another server is taking the vdisk over: nobody else may begin to own it. */
export class TakenOverElsewhereError extends SalvorError {
  constructor(vdisk: string, server: string) {
    super('owned-elsewhere', `vdisk ${vdisk} is being taken over by server ${server}`);
  }
}

/** Rounds of taking the key while others come and go. */
const TAKE_ROUNDS_MAX = 8;

/**
 * Takes the owner key of a vdisk under a lease. The epoch is the key's create revision, so it rises with every new owner.
 * A server that was restarted takes over from its own earlier run at once: the fence on the engines makes that safe.
 *
 * @returns the epoch, a decimal string
 * @throws OwnedElsewhereError when another server owns it; with `isFree`, when anybody does
 * @throws TakenOverElsewhereError when another server is taking it over
 */
export async function takeOwnership(
  store: ConfigStore,
  lease: Lease,
  vdisk: string,
  who: OwnerIdentity,
  { isFree = false } = {},
): Promise<string> {
  const key = ownerKey(vdisk);
  for (let round = 0; round < TAKE_ROUNDS_MAX; round++) {
    const takeover = await store.get(takeoverKey(vdisk));
    const held = await store.get(key);
    const taking = takeover && parseRecord(takeoverSchema, takeover.key, takeover.value).server;
    const owner = held && parseRecord(ownerSchema, key, held.value);
    const step = decideOwnerStep({ taking, owner: owner?.server ?? null, mustBeFree: isFree }, who.server);
    if (step === 'taken-over-elsewhere') throw new TakenOverElsewhereError(vdisk, taking ?? '');
    if (owner !== null && step === 'owned-elsewhere') throw new OwnedElsewhereError(vdisk, owner);
    if (held !== null) {
      const ended = await store.transact({ compare: [{ key, revision: held.revision }], deletes: [key] });
      if (!ended.ok) continue;
    }
    const value = formatRecord(ownerSchema, key, { ...who, since: Date.now() });
    const taken = await store.transact({
      compare: [
        { key, revision: 'absent' },
        { key: takeoverKey(vdisk), revision: takeover?.revision ?? 'absent' },
      ],
      puts: [{ key, value, lease: lease.id }],
    });
    if (taken.ok) return taken.revision;
  }
  throw new SalvorError(
    'owner-contended',
    `vdisk ${vdisk}: the owner key changed ${TAKE_ROUNDS_MAX} times while it was being taken`,
  );
}
