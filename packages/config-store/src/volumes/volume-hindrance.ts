/** Whether clients may use the vdisk of a volume. */
import { parseRecord } from '../healing/record-text.ts';
import { vdiskVolumeKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { readVolume } from './apply-volume.ts';
import { readVolumeView, type VolumeSight } from './volume-claim.ts';
import { type VolumeRecord, vdiskVolumeSchema } from './volume-records.ts';

export interface VolumeHindrance {
  readonly code: 'volume-unconfirmed';
  /** A sentence. */
  readonly reason: string;
}

/**
 * A primary whose copy another zone may have promoted meanwhile is not taken before that zone was asked: whoever has it already
 * keeps it. Pure. A secondary is kept from clients by its lifecycle.
 */
export function volumeHindrance(
  record: Pick<VolumeRecord, 'volume' | 'vdisk' | 'role' | 'peer' | 'mode'> | null,
  seen: Pick<VolumeSight, 'cleared'> | null,
): VolumeHindrance | null {
  if (record === null || record.role !== 'primary') return null;
  if (record.peer === null || record.mode === 'none' || seen?.cleared === true) return null;
  const { vdisk, volume, peer } = record;
  const reason = `vdisk ${vdisk} is volume ${volume}, and it is not known yet whether zone ${peer} was promoted meanwhile: a replication-manager of this zone has to ask it, or to find that it does not answer; try again in some seconds`;
  return { code: 'volume-unconfirmed', reason };
}

/** The same of a vdisk, from what etcd says; null also of a vdisk that is no volume. Throws StoreError, ConfigValueError. */
export async function readVolumeHindrance(
  store: Pick<ConfigStore, 'get'>,
  vdisk: string,
): Promise<VolumeHindrance | null> {
  const key = vdiskVolumeKey(vdisk);
  const entry = await store.get(key);
  if (entry === null) return null;
  const { volume } = parseRecord(vdiskVolumeSchema, key, entry.value);
  const record = await readVolume(store, volume);
  return volumeHindrance(record, await readVolumeView(store, volume));
}
