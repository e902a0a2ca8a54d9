/** Which vdisks keep the blocks of a pair from being spread over the other pairs. */
import type { VdiskNbd, VdiskType } from '../vdisk-config.ts';

/** A vdisk as far as its place is concerned; type null where its shape cannot be read. */
export interface PlacedVdisk {
  readonly vdisk: string;
  readonly type: VdiskType | null;
  readonly nbd: VdiskNbd | Error;
}

/** The first vdisk that is in the way, as a sentence; null when there is none. Pure. */
export function decideSpreadHindrance(
  vdisks: readonly PlacedVdisk[],
  pair: { readonly cluster: string; readonly partner: string },
): string | null {
  for (const { vdisk, type, nbd } of vdisks) {
    if (nbd instanceof Error) return `the configuration of vdisk ${vdisk} cannot be read: ${nbd.message}`;
    if (!isOnPair(nbd, pair)) continue;
    const { storageClusterID, slaveStorageClusterID, templateStorageClusterID } = nbd;
    const on = [storageClusterID, slaveStorageClusterID];
    if (on.includes(pair.cluster) !== on.includes(pair.partner))
      return `vdisk ${vdisk} has no copy on ${on.includes(pair.cluster) ? pair.partner : pair.cluster}`;
    if (!on.includes(pair.cluster))
      return `vdisk ${vdisk} reads content of its template from ${templateStorageClusterID}, and shared content is not spread`;
    if (type === 'boot') return `vdisk ${vdisk} is of type boot, whose content is shared and is not spread`;
    if (type === null) return `the configuration of vdisk ${vdisk} cannot be read`;
  }
  return null;
}

export function isOnPair(
  { storageClusterID, slaveStorageClusterID, templateStorageClusterID }: VdiskNbd,
  { cluster, partner }: { readonly cluster: string; readonly partner: string },
): boolean {
  return [storageClusterID, slaveStorageClusterID, templateStorageClusterID].some(
    (id) => id === cluster || id === partner,
  );
}
