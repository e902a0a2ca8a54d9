import type { MountOptions } from './mount-options.ts';
import { MountedVdisk } from './mounted-vdisk.ts';
import { takeOwnership } from './ownership.ts';
import { describeVdisk, volumeConfirmation } from './vdisk-description.ts';

/**
 * Takes ownership of a vdisk and makes it servable: fences earlier owners on every engine that etcd does not record as
 * stale, and follows etcd from then on.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError, FencedError
 */
export async function mountVdisk(options: MountOptions): Promise<MountedVdisk> {
  const isForClients = (options.purpose ?? 'clients') === 'clients';
  await describeVdisk(options.store, options.vdisk, options.purpose);
  const lease = await options.store.grantLease(options.settings.leaseTtlSeconds);
  try {
    const [epoch, confirmed] = await Promise.all([
      takeOwnership(options.store, lease, options.vdisk, options.owner),
      isForClients ? volumeConfirmation(options.store, options.vdisk) : null,
    ]);
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
