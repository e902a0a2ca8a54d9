import type { Lease } from '@salvor/config-store';
import { pause } from '@salvor/service-kit';
import type { MountOptions } from './mount-options.ts';
import { MountedVdisk } from './mounted-vdisk.ts';
import { OwnedElsewhereError, takeOwnership } from './ownership.ts';
import { describeVdisk, volumeConfirmation } from './vdisk-description.ts';

/** How long clients wait for an operation to give back what it had: longer than its lease lives when it was killed. */
const GIVEN_BACK_MAX_MS = 15_000;
const LOOK_EVERY_MS = 50;

/**
 * Takes ownership of a vdisk and makes it servable: fences earlier owners on every engine that etcd does not record as
 * stale, and follows etcd from then on. Clients wait for an operation that has ended and still owns the vdisk.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError, FencedError
 */
export async function mountVdisk(given: MountOptions): Promise<MountedVdisk> {
  const { purpose = 'clients' } = given;
  const isForClients = purpose === 'clients';
  const options = typeof purpose === 'string' ? given : { ...given, owner: { ...given.owner, ...purpose } };
  await describeVdisk(options.store, options.vdisk, options.purpose);
  const lease = await options.store.grantLease(options.settings.leaseTtlSeconds);
  try {
    const [epoch, confirmed] = isForClients
      ? await takeForClients(options, lease)
      : [await takeOwnership(options.store, lease, options.vdisk, options.owner), null];
    // Again: what is owned cannot be deleted, but until now it could be, or created anew in another shape.
    const description = await describeVdisk(options.store, options.vdisk, options.purpose);
    await confirmed?.();
    const mounted = new MountedVdisk(options, description, lease, epoch);
    try {
      await mounted.start();
      return mounted;
    } catch (error) {
      await mounted.unmount();
      throw error;
    }
  } catch (error) {
    await lease.revoke().catch(() => lease.release());
    throw error;
  }
}

/**
 * An operation is on record as ended a moment before it gives its vdisk back. What it still is to do excludes clients by what
 * the vdisk is described to be.
 */
async function takeForClients(
  { store, vdisk, owner }: MountOptions,
  lease: Lease,
): Promise<[epoch: string, confirmed: () => Promise<void>]> {
  const giveUpAt = performance.now() + GIVEN_BACK_MAX_MS;
  for (;;) {
    try {
      return await Promise.all([takeOwnership(store, lease, vdisk, owner), volumeConfirmation(store, vdisk)]);
    } catch (error) {
      if (!(error instanceof OwnedElsewhereError && error.isForOperation)) throw error;
      if (performance.now() >= giveUpAt) throw error;
      await describeVdisk(store, vdisk);
      await pause(LOOK_EVERY_MS);
    }
  }
}
