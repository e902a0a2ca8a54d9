/** What the order of outages in a lost etcd was, in the records that are brought back. Pure. */
import {
  ConfigValueError,
  formatRecord,
  type IncidentRecord,
  incidentSchema,
  parseKey,
  parseRecord,
  type StoreEntry,
} from '@salvor/config-store';
import type { ConfigurationSnapshot } from '@salvor/tlog';

/**
 * The entries of a configuration, with the revision in each incident that had opened it. One that survived stays as it is: its own
 * revision tells.
 */
export function withOldOrder(
  { entries, openedIn = {} }: Pick<ConfigurationSnapshot, 'entries' | 'openedIn'>,
  etcd: ReadonlyMap<string, StoreEntry>,
): Map<string, string> {
  return new Map(
    entries.map(([key, value]): [string, string] => {
      const made = openedIn[key];
      const record = made === undefined || etcd.get(key)?.value === value ? null : incidentIn(key, value);
      if (made === undefined || record === null || record.openedIn !== undefined) return [key, value];
      return [key, formatRecord(incidentSchema, key, { ...record, openedIn: made })];
    }),
  );
}

export interface OpenOutage {
  readonly cluster: string;
  readonly attempt: number;
}

/** Open incidents by id, of several sources; of one in two attempts the later one. */
export function outagesIn(...sources: readonly ReadonlyMap<string, string>[]): Map<string, OpenOutage> {
  const outages = new Map<string, OpenOutage>();
  for (const entries of sources)
    for (const [key, value] of entries) {
      const record = incidentIn(key, value);
      if (record === null) continue;
      const { id, cluster, attempt } = record;
      outages.set(id, { cluster, attempt: Math.max(attempt, outages.get(id)?.attempt ?? 0) });
    }
  return outages;
}

function incidentIn(key: string, value: string): IncidentRecord | null {
  if (parseKey(key)?.kind !== 'incident') return null;
  try {
    return parseRecord(incidentSchema, key, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
