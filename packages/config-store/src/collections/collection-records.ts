/** What a collection of garbage and the owners of deduped vdisks tell each other. */
import { z } from 'zod';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { collectionKey, collectionSettledKey, ownerKey } from '../keys.ts';
import type { ConfigStore, StoreEntry } from '../types.ts';

/** `/salvor/collections/<cluster>`, under a lease of the collector: there is one at a time. */
export const collectionSchema = z.looseObject({
  collection: z.string().min(1),
  /**
   * `looking`: for content that nothing names. `settling`: owners report when every write that they had begun before
   * is in the block map, or never will be.
   */
  phase: z.enum(['looking', 'settling']),
  at: z.number().int().min(0),
});
export type Collection = z.infer<typeof collectionSchema>;

/** `/salvor/collections/<cluster>/settled/<vdisk>`. */
export const collectionSettledSchema = z.looseObject({
  collection: z.string().min(1),
  /** Of the owner who says so. */
  epoch: z.string().regex(/^\d+$/),
  at: z.number().int().min(0),
});

/** The collection under way on a cluster, among entries that were read. Throws ConfigValueError. */
export function collectionIn(
  entries: ReadonlyMap<string, StoreEntry | null>,
  cluster: string,
): Collection | null {
  return recordIn(entries, collectionKey(cluster), collectionSchema);
}

/**
 * Records that the owner of a vdisk has settled what it had begun before the collection came to ask.
 *
 * @returns false when it is not the owner any more, or the collection is over
 */
export async function putCollectionSettled(
  store: ConfigStore,
  settled: { cluster: string; vdisk: string; epoch: string; collection: StoreEntry; id: string },
): Promise<boolean> {
  const { cluster, vdisk, epoch, collection, id } = settled;
  const key = collectionSettledKey(cluster, vdisk);
  const value = formatRecord(collectionSettledSchema, key, { collection: id, epoch, at: Date.now() });
  const { ok } = await store.transact({
    compare: [
      { key: ownerKey(vdisk), createRevision: epoch },
      { key: collectionKey(cluster), revision: collection.revision },
    ],
    puts: [{ key, value, ...(collection.lease === null ? {} : { lease: collection.lease }) }],
  });
  return ok;
}
