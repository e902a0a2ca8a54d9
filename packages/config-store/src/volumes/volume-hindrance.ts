/** Whether clients may use the vdisk of a volume. */
import { pause } from '@salvor/service-kit';
import { parseRecord } from '../healing/record-text.ts';
import { vdiskVolumeKey, volumeWorkerKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { readVolume } from './apply-volume.ts';
import { type VolumeSight, volumeViewIn } from './volume-claim.ts';
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
  record: Pick<VolumeRecord, 'volume' | 'vdisk' | 'role' | 'peer'> | null,
  seen: Pick<VolumeSight, 'cleared'> | null,
): VolumeHindrance | null {
  if (record === null || record.role !== 'primary') return null;
  // Also where it is not replicated any more: what was may have been promoted.
  if (record.peer === null || seen?.cleared === true) return null;
  return unconfirmed(record);
}

function unconfirmed({
  vdisk,
  volume,
  peer,
}: Pick<VolumeRecord, 'volume' | 'vdisk' | 'peer'>): VolumeHindrance {
  const reason = `vdisk ${vdisk} is volume ${volume}, and it is not known yet whether zone ${peer} was promoted meanwhile: a replication-manager of this zone has to ask it, or to find that it does not answer; try again in some seconds`;
  return { code: 'volume-unconfirmed', reason };
}

/** The same of a vdisk, from what etcd says; null also of a vdisk that is no volume. Throws StoreError, ConfigValueError. */
export async function readVolumeHindrance(
  store: Pick<ConfigStore, 'get'>,
  vdisk: string,
): Promise<VolumeHindrance | null> {
  return (await look(store, vdisk)).hindrance;
}

const LOOK_EVERY_MS = 5;
/** Whoever keeps a volume tells what it sees more often than this. */
const WORD_MAX_MS = 3_000;

/**
 * The same, and what is seen is seen now: after a power failure etcd still has what was told before it, until the lease of who
 * told it has run out. So a word is waited for that is told after this began, however clocks are set.
 *
 * @returns waits for that word; what else a mount needs may be done before
 */
export async function confirmVolume(
  store: Pick<ConfigStore, 'get'>,
  vdisk: string,
): Promise<() => Promise<VolumeHindrance | null>> {
  const first = await look(store, vdisk);
  return async () => {
    if (first.word === null) return first.hindrance;
    const giveUpAt = performance.now() + WORD_MAX_MS;
    const key = volumeWorkerKey(first.record.volume);
    for (;;) {
      const worker = await store.get(key);
      if (worker?.revision !== first.word) return (await look(store, vdisk)).hindrance;
      if (performance.now() >= giveUpAt) return unconfirmed(first.record);
      await pause(LOOK_EVERY_MS);
    }
  };
}

/** `word` names what was told by who keeps the volume; null: it does not matter, or there is none. */
type Look =
  | { readonly hindrance: VolumeHindrance | null; readonly word: null }
  | { readonly hindrance: VolumeHindrance | null; readonly word: string; readonly record: VolumeRecord };

async function look(store: Pick<ConfigStore, 'get'>, vdisk: string): Promise<Look> {
  const key = vdiskVolumeKey(vdisk);
  const entry = await store.get(key);
  if (entry === null) return { hindrance: null, word: null };
  const { volume } = parseRecord(vdiskVolumeSchema, key, entry.value);
  const [record, worker] = await Promise.all([readVolume(store, volume), store.get(volumeWorkerKey(volume))]);
  const hindrance = volumeHindrance(record, worker === null ? null : volumeViewIn(worker));
  if (record === null || worker === null || volumeHindrance(record, null) === null)
    return { hindrance, word: null };
  return { hindrance, word: worker.revision, record };
}
