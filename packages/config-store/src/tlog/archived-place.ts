import { z } from 'zod';
import { parseRecord } from '../healing/record-text.ts';
import { TLOGS_PREFIX } from '../keys.ts';
import type { ConfigStore } from '../types.ts';

/** What who writes a log needs of the archiver's record. */
const archivedPlaceSchema = z.looseObject({
  number: z.number().int().min(0),
  sequence: z.number().int().min(0),
});

/** The last segment of a vdisk's log that is archived, and the sequence that it ends with; null: none. Throws StoreError, ConfigValueError. */
export async function readArchivedPlace(
  store: ConfigStore,
  vdisk: string,
): Promise<{ number: number; sequence: number } | null> {
  const entry = await store.get(`${TLOGS_PREFIX}${vdisk}/archived`);
  if (entry === null) return null;
  const { number, sequence } = parseRecord(archivedPlaceSchema, entry.key, entry.value);
  return { number, sequence };
}
