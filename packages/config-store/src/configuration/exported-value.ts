import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { incidentSchema } from '../healing/records.ts';
import { parseKey } from '../keys.ts';
import type { StoreEntry } from '../types.ts';
import { withoutSecrets } from './secrets.ts';

/**
 * What a file has of an entry: no secrets, and of an open incident the revision that opened it, which tells the order of outages and is
 * another one in another etcd.
 */
export function exportedValue({
  key,
  value,
  createRevision,
}: Pick<StoreEntry, 'key' | 'value' | 'createRevision'>): string {
  if (parseKey(key)?.kind !== 'incident') return withoutSecrets(key, value);
  const record = parseRecord(incidentSchema, key, value);
  const openedIn = record.openedIn ?? Number(createRevision);
  return withoutSecrets(key, formatRecord(incidentSchema, key, { ...record, openedIn }));
}
