import { type RetryOptions, untilNoConflict } from '../healing/compare-and-set.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { ownerSchema } from '../healing/records.ts';
import { ownerKey, volumeKey } from '../keys.ts';
import type { Compare, ConfigStore } from '../types.ts';
import { type VolumeRecord, volumeSchema } from './volume-records.ts';

/** Who may write a vdisk now. */
export interface VdiskWriter {
  readonly vdisk: string;
  readonly server: string;
  /** Create revision of the owner key. */
  readonly epoch: string;
}

/** The owners of vdisks; null: it has none. Throws StoreError, ConfigValueError. */
export async function readWriters(
  store: Pick<ConfigStore, 'getMany'>,
  vdisks: readonly string[],
): Promise<(VdiskWriter | null)[]> {
  const { entries } = await store.getMany(vdisks.map(ownerKey));
  return vdisks.map((vdisk) => {
    const key = ownerKey(vdisk);
    const owner = recordIn(entries, key, ownerSchema);
    const epoch = entries.get(key)?.createRevision;
    return owner === null || epoch === undefined ? null : { vdisk, server: owner.server, epoch };
  });
}

/** What a write compares to prove that a vdisk has had the same owner all the time. */
export function writerCompare({ vdisk, epoch }: VdiskWriter): Compare {
  return { key: ownerKey(vdisk), createRevision: epoch };
}

/**
 * Changes the records of all members of a group in one transaction, decided on what they are in that very moment. `decide`
 * gives those that change; null: nothing is to be done.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used
 */
export async function applyGroup(
  store: ConfigStore,
  {
    members,
    compare = [],
    ...retry
  }: RetryOptions & { readonly members: readonly string[]; readonly compare?: readonly Compare[] },
  decide: (records: readonly (VolumeRecord | null)[]) => readonly VolumeRecord[] | null,
): Promise<'applied' | 'already' | 'conflict'> {
  return untilNoConflict(async () => {
    const keys = members.map(volumeKey);
    const { entries } = await store.getMany(keys);
    const next = decide(keys.map((key) => recordIn(entries, key, volumeSchema)));
    if (next === null || next.length === 0) return 'already';
    const seen = keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? ('absent' as const) }));
    const puts = next.map((record) => {
      const key = volumeKey(record.volume);
      return { key, value: formatRecord(volumeSchema, key, record) };
    });
    const { ok } = await store.transact({ compare: [...seen, ...compare], puts });
    return ok ? 'applied' : 'conflict';
  }, retry);
}
