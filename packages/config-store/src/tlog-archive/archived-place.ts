import { parseRecord } from '../healing/record-text.ts';
import type { ConfigStore } from '../types.ts';
import { tlogArchivedKey } from './archive-keys.ts';
import { type ArchivedRecord, archivedSchema } from './archive-records.ts';

/** What who writes a log needs of the record: nothing else in it keeps a vdisk from being mounted. */
const placeSchema = archivedSchema.pick({ number: true, sequence: true });

/** The last segment of a vdisk's log that is archived, and the sequence that it ends with; null: none. Throws StoreError, ConfigValueError. */
export async function readArchivedPlace(
  store: ConfigStore,
  vdisk: string,
): Promise<Pick<ArchivedRecord, 'number' | 'sequence'> | null> {
  const entry = await store.get(tlogArchivedKey(vdisk));
  if (entry === null) return null;
  const { number, sequence } = parseRecord(placeSchema, entry.key, entry.value);
  return { number, sequence };
}
