/** Named states of a vdisk in its log: `/salvor/tlogs/<vdisk>/snapshots/<name>`. */
import { z } from 'zod';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { parseKey, tlogSnapshotKey, tlogSnapshotsPrefix } from '../keys.ts';
import type { ConfigStore, Transaction } from '../types.ts';

export const tlogSnapshotSchema = z.looseObject({
  /** Last record of the log before it. */
  sequence: z.number().int().min(0),
  at: z.number().int().min(0),
  operation: z.string().min(1),
});
export type TlogSnapshot = z.infer<typeof tlogSnapshotSchema>;

/** Oldest first. Throws StoreError, ConfigValueError. */
export async function listSnapshots(
  store: ConfigStore,
  vdisk: string,
): Promise<(TlogSnapshot & { readonly name: string })[]> {
  const { entries } = await store.list(tlogSnapshotsPrefix(vdisk));
  return entries
    .flatMap(({ key, value }) => {
      const about = parseKey(key);
      return about?.kind === 'tlog-snapshot'
        ? [{ ...parseRecord(tlogSnapshotSchema, key, value), name: about.name }]
        : [];
    })
    .sort((a, b) => a.sequence - b.sequence || a.at - b.at);
}

/** Null: there is none of that name. Throws StoreError, ConfigValueError. */
export async function readSnapshot(
  store: ConfigStore,
  vdisk: string,
  name: string,
): Promise<TlogSnapshot | null> {
  const key = tlogSnapshotKey(vdisk, name);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(tlogSnapshotSchema, key, entry.value);
}

/** What is written when a snapshot was taken; one of that name must not have come to be meanwhile. */
export function snapshotTaken(vdisk: string, name: string, snapshot: TlogSnapshot): Partial<Transaction> {
  const key = tlogSnapshotKey(vdisk, name);
  return {
    compare: [{ key, revision: 'absent' }],
    puts: [{ key, value: formatRecord(tlogSnapshotSchema, key, snapshot) }],
  };
}

/** False: there was none. Throws StoreError. */
export async function deleteSnapshot(store: ConfigStore, vdisk: string, name: string): Promise<boolean> {
  const key = tlogSnapshotKey(vdisk, name);
  const entry = await store.get(key);
  if (entry === null) return false;
  return (await store.transact({ compare: [{ key, revision: entry.revision }], deletes: [key] })).ok;
}
