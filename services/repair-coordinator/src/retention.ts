import {
  CLOSED_INCIDENTS_PREFIX,
  type ConfigStore,
  closedIncidentSchema,
  OPERATIONS_PREFIX,
  operationSchema,
  parseRecord,
  REPAIRS_PREFIX,
} from '@salvor/config-store';

const DAY_MS = 86_400_000;
/** How long the story of an incident can be read after its end. */
export const INCIDENTS_KEPT_MS: number = 90 * DAY_MS;
/** How long an operation id is known, so that a repeat is answered and not carried out. */
export const OPERATIONS_KEPT_MS: number = 7 * DAY_MS;
/** Deletes per transaction. */
const DELETES_MAX = 100;

/** Removes records that have served their time. Returns how many. */
export async function dropOldRecords(store: ConfigStore, now: number): Promise<number> {
  const old: string[] = [];
  for (const { key, value } of (await store.list(CLOSED_INCIDENTS_PREFIX)).entries) {
    const { id, closedAt } = parseRecord(closedIncidentSchema, key, value);
    if (now - closedAt <= INCIDENTS_KEPT_MS) continue;
    old.push(key, ...(await store.list(`${REPAIRS_PREFIX}${id}/`)).entries.map((entry) => entry.key));
  }
  for (const { key, value } of (await store.list(OPERATIONS_PREFIX)).entries) {
    if (now - parseRecord(operationSchema, key, value).at > OPERATIONS_KEPT_MS) old.push(key);
  }
  for (let from = 0; from < old.length; from += DELETES_MAX) {
    await store.transact({ compare: [], deletes: old.slice(from, from + DELETES_MAX) });
  }
  return old.length;
}
